"""Every kind of photo becomes upright RGB; every kind of rubbish one clear sentence."""

import contextlib
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from glance3d.errors import ImageError, MissingExtraError
from glance3d.images import open_upright
from glance3d.images.decoding import decode
from glance3d.images.decoding.decode import read_header
from glance3d.images.files import decoders
from tests.images.files import gradient, save_oriented, write_png_16bit, write_tiff_16bit_rgb


def pixels(source, **options):
    image = open_upright(source, **options)
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


def mean_error(path, expected):
    return np.abs(pixels(path) - expected).mean()


LOSSLESS = [("png", {}), ("tif", {}), ("bmp", {}), ("ppm", {}), ("webp", {"lossless": True})]


@pytest.mark.parametrize(("suffix", "options"), LOSSLESS)
def test_lossless_formats_are_exact(tmp_path, suffix, options):
    picture = gradient(40, 24)
    Image.fromarray(picture).save(tmp_path / f"a.{suffix}", **options)
    np.testing.assert_array_equal(pixels(tmp_path / f"a.{suffix}"), picture)
    assert read_header(tmp_path / f"a.{suffix}").size == (40, 24)


def test_jpeg_and_heic_are_close(tmp_path):
    pytest.importorskip("pillow_heif").register_heif_opener()
    picture = gradient(64, 48)
    for name in ("a.jpg", "a.heic"):
        Image.fromarray(picture).save(tmp_path / name, quality=95)
        assert mean_error(tmp_path / name, picture) < 4


def test_content_decides_not_the_suffix(tmp_path):
    picture = gradient(32, 20)
    Image.fromarray(picture).save(tmp_path / "really.png")
    (tmp_path / "really.png").rename(tmp_path / "said.jpg")
    np.testing.assert_array_equal(pixels(tmp_path / "said.jpg"), picture)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "jpg", "heic"])
def test_exif_orientation_is_applied(tmp_path, suffix, orientation):
    if suffix == "heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    picture = gradient(48, 32)
    options = {"webp": {"lossless": True}, "jpg": {"quality": 98, "subsampling": 0}}
    path = save_oriented(
        tmp_path / f"a.{suffix}", Image.fromarray(picture), orientation, **options.get(suffix, {})
    )
    header = read_header(path)
    assert header.size == (48, 32)
    # A HEIC file says itself how it lies; its decoder turns it and leaves nothing to record.
    assert header.exif_orientation == (1 if suffix == "heic" else orientation)
    assert np.abs(pixels(path) - picture).mean() < {"jpg": 3, "heic": 6}.get(suffix, 1e-9)


def test_a_damaged_orientation_loses_no_photo(tmp_path):
    picture = Image.fromarray(gradient(32, 20))
    exif = Image.Exif()
    exif[0x0112] = 17
    picture.save(tmp_path / "odd.jpg", exif=exif)
    picture.save(tmp_path / "cut.jpg", exif=b"Exif\0\0II*\0\xff\xff")
    for name in ("odd.jpg", "cut.jpg"):
        assert read_header(tmp_path / name).exif_orientation == 1
        assert open_upright(tmp_path / name).size == (32, 20)


def test_16_bit_grey_is_scaled_not_clipped(tmp_path):
    ramp = np.linspace(0, 65535, 40 * 20).reshape(20, 40).round().astype(np.uint16)
    expected = np.rint(ramp / 257)[..., None].repeat(3, -1)
    write_png_16bit(tmp_path / "a.png", ramp)
    Image.fromarray(ramp).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), expected)
    np.testing.assert_array_equal(pixels(tmp_path / "a.tif"), expected)


def test_16_bit_rgb_is_scaled_not_clipped(tmp_path):
    picture = gradient(40, 20)
    deep = picture.astype(np.uint16) * 257
    np.testing.assert_array_equal(pixels(write_png_16bit(tmp_path / "a.png", deep)), picture)
    np.testing.assert_array_equal(pixels(write_tiff_16bit_rgb(tmp_path / "a.tif", deep)), picture)


@pytest.mark.parametrize("orientation", [1, 6])
def test_16_bit_grey_is_turned_too(tmp_path, orientation):
    ramp = np.linspace(0, 65535, 40 * 20).reshape(20, 40).round().astype(np.uint16)
    path = save_oriented(tmp_path / "a.png", Image.fromarray(ramp), orientation)
    np.testing.assert_array_equal(pixels(path)[..., 0], np.rint(ramp / 257))


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_fewer_bits_stored_in_16_are_not_dark(tmp_path, bits, name):
    ramp = np.linspace(0, 2**bits - 1, 40 * 20).reshape(20, 40).round().astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / name)
    np.testing.assert_array_equal(
        pixels(tmp_path / name)[..., 0], np.rint(ramp * (255 / ramp.max()))
    )


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_further_pictures_in_a_file_are_named(tmp_path, name):
    first, second = Image.fromarray(gradient(40, 20)), Image.new("RGB", (40, 20), "red")
    first.save(tmp_path / name, save_all=True, append_images=[second])
    first.save(tmp_path / f"single_{name}")
    assert "only the first of several" in read_header(tmp_path / name).notes[0]
    assert read_header(tmp_path / f"single_{name}").notes == ()
    assert pixels(tmp_path / name).std() > 10  # not the red one


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0, 1e6])
def test_float_greyscale_finds_its_range(tmp_path, white):
    values = np.linspace(0, white, 32 * 20).reshape(20, 32).astype(np.float32)
    Image.fromarray(values).save(tmp_path / "a.tif")
    expected = np.rint(np.linspace(0, 255, 32 * 20)).reshape(20, 32)
    assert np.abs(pixels(tmp_path / "a.tif")[..., 1] - expected).max() <= 1


def test_float_greyscale_survives_nan_and_negative_values(tmp_path):
    values = np.full((20, 20), 0.5, np.float32)
    values[0, :4] = [np.nan, -3, np.inf, 1]
    Image.fromarray(values).save(tmp_path / "a.tif")
    assert pixels(tmp_path / "a.tif")[0, :5, 0].tolist() == [0, 0, 255, 255, 128]


def test_32_bit_integers_finds_their_range(tmp_path):
    values = np.full((20, 20), 30000, np.int32)
    Image.fromarray(values).save(tmp_path / "a.tif")
    assert pixels(tmp_path / "a.tif")[0, 0].tolist() == [117, 117, 117]


def test_alpha_is_over_white(tmp_path):
    picture = np.zeros((20, 20, 4), np.uint8)
    picture[:, :10] = [200, 0, 0, 255]
    picture[:, 15:] = [0, 0, 0, 51]
    Image.fromarray(picture).save(tmp_path / "rgba.png")
    assert pixels(tmp_path / "rgba.png")[3, [0, 12, 18]].tolist() == [
        [200, 0, 0],
        [255, 255, 255],
        [204, 204, 204],
    ]
    Image.fromarray(picture).convert("LA").save(tmp_path / "la.png")
    assert pixels(tmp_path / "la.png")[3, [12, 18]].tolist() == [[255] * 3, [204] * 3]


def test_palette_and_its_transparency(tmp_path):
    palette = Image.new("P", (20, 20), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.paste(0, (0, 0, 5, 5))
    palette.save(tmp_path / "opaque.png")
    palette.save(tmp_path / "holes.png", transparency=0)
    assert pixels(tmp_path / "opaque.png")[[0, 10], [0, 10]].tolist() == [[0, 0, 0], [10, 20, 30]]
    assert pixels(tmp_path / "holes.png")[[0, 10], [0, 10]].tolist() == [[255] * 3, [10, 20, 30]]


def test_grey_bilevel_and_cmyk(tmp_path):
    Image.new("L", (20, 20), 77).save(tmp_path / "grey.jpg", quality=100)
    Image.new("1", (20, 20), 1).save(tmp_path / "bilevel.png")
    Image.new("CMYK", (20, 20), (0, 255, 255, 0)).save(tmp_path / "print.jpg", quality=100)
    assert pixels(tmp_path / "grey.jpg")[5, 5].tolist() == [77, 77, 77]
    assert pixels(tmp_path / "bilevel.png")[5, 5].tolist() == [255, 255, 255]
    assert np.abs(pixels(tmp_path / "print.jpg")[5, 5] - [255, 0, 0]).max() < 4


def test_a_mode_without_a_way_to_rgb_is_refused(tmp_path, monkeypatch):
    def no_way(image):
        raise ValueError("conversion from LAB to RGB not supported")

    Image.new("LAB", (20, 20)).save(tmp_path / "lab.tif")
    monkeypatch.setattr(decode, "to_rgb", no_way)
    with pytest.raises(ImageError, match=r"lab\.tif cannot be decoded.*from LAB to RGB"):
        open_upright(tmp_path / "lab.tif")


def test_rubbish_is_named_and_explained(tmp_path):
    (tmp_path / "text.jpg").write_text("these are no pixels " * 20)
    (tmp_path / "empty.jpg").write_bytes(b"")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    Image.new("RGB", (800, 15)).save(tmp_path / "line.png")
    Image.new("RGB", (65501, 16)).save(tmp_path / "strip.png")
    Image.new("RGB", (20, 20)).save(tmp_path / "raw.tif")
    (tmp_path / "raw.tif").rename(tmp_path / "raw.dng")
    for name, complaint in {
        "text.jpg": r"text\.jpg is not a photo: its content is none of JPEG, PNG",
        "empty.jpg": r"empty\.jpg is empty \(0 bytes\)",
        "dot.png": r"dot\.png is 1x1 pixels: a photo needs at least 16 on each side",
        "line.png": r"line\.png is 800x15 pixels",
        "strip.png": r"strip\.png is 65501x16 pixels: make it smaller, at most 65500 on a side",
        "raw.dng": r"raw\.dng is a camera's raw file: export it",
        "gone.jpg": r"gone\.jpg cannot be read.*No such file",
    }.items():
        for read in (read_header, open_upright):
            with pytest.raises(ImageError, match=complaint):
                read(tmp_path / name)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "bmp", "heic"])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.9])
def test_a_file_cut_short_is_an_image_error(tmp_path, suffix, kept):
    if suffix == "heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ImageError, match=rf"cut\.{suffix} (cannot be|is not a photo)"):
        open_upright(path)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("seed", range(30))
def test_flipped_bits_never_raise_anything_else(tmp_path, seed):
    rng = np.random.default_rng(seed)
    suffix = ["jpg", "png", "tif"][seed % 3]
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(gradient(40, 30)).save(path)
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    where = rng.integers(0, min(len(content), 300), 12)
    content[where] = rng.integers(0, 256, 12)
    path.write_bytes(content.tobytes())
    with contextlib.suppress(ImageError):  # damage that only changes colours is read
        assert open_upright(path).mode == "RGB"


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_large_photos_work_up_to_a_stated_limit(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # would refuse above 2000
    path = tmp_path / f"large.{suffix}"
    Image.fromarray(gradient(100, 80)).save(path)
    assert open_upright(path).size == (100, 80)
    assert Image.MAX_IMAGE_PIXELS == 1000
    monkeypatch.setattr(decoders, "MAX_PHOTO_PIXELS", 7000)
    with (
        pytest.warns(Image.DecompressionBombWarning),
        pytest.raises(ImageError, match=r"is 100x80 pixels .*make it smaller"),
    ):
        open_upright(path)
    monkeypatch.setattr(decoders, "MAX_PHOTO_PIXELS", 3000)
    with pytest.raises(ImageError, match=r"large\.\w+ is larger than can be decoded"):
        open_upright(path)
    assert Image.MAX_IMAGE_PIXELS == 1000


def test_pillows_limit_is_left_alone_by_many_threads(tmp_path):
    Image.fromarray(gradient(40, 30)).save(tmp_path / "a.png")
    before = Image.MAX_IMAGE_PIXELS
    threads = [
        threading.Thread(target=lambda: [read_header(tmp_path / "a.png") for _ in range(30)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert before == Image.MAX_IMAGE_PIXELS


def test_heic_without_the_extra_names_it(tmp_path, monkeypatch):
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MissingExtraError, match=r"phone\.heic needs pillow-heif.*glance3d\[heif\]"):
        open_upright(tmp_path / "phone.heic")


def test_a_reduced_jpeg_shows_the_same_area(tmp_path):
    picture = gradient(256, 192)
    path = save_oriented(tmp_path / "a.jpg", Image.fromarray(picture), 6, quality=95)
    assert open_upright(path, at_least=(64, 48)).size == (64, 48)
    assert open_upright(path, at_least=(65, 48)).size == (128, 96)
    assert open_upright(path, at_least=(256, 192)).size == (256, 192)
    blocks = picture.reshape(48, 4, 64, 4, 3).mean((1, 3))
    assert np.abs(pixels(path, at_least=(64, 48)) - blocks).mean() < 2


def test_a_jpeg_that_does_not_divide_is_not_reduced(tmp_path):
    Image.fromarray(gradient(250, 191)).save(tmp_path / "a.jpg")
    assert open_upright(tmp_path / "a.jpg", at_least=(20, 20)).size == (250, 191)


def test_pictures_in_memory(tmp_path):
    picture = Image.fromarray(gradient(40, 24))
    assert read_header(picture).size == (40, 24)
    picture.getexif()[0x0112] = 8
    assert read_header(picture).size == (24, 40)
    assert open_upright(picture).size == (24, 40)
    assert picture.size == (40, 24)
    assert open_upright(str(save_oriented(tmp_path / "a.png", picture, 1))).size == (40, 24)
