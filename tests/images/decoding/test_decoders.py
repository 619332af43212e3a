"""Whatever a decoder raises is one sentence, and a damaged EXIF block never costs a photo."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from glance3d.errors import ImageError, InputError
from glance3d.images import load_images, open_upright
from glance3d.images.decoding.decode import open_as_stored, read_header, read_metadata
from glance3d.images.files.decoders import decoding
from tests.images.files import gradient

DAMAGED_EXIF = (
    b"II*\0\x08\0",  # cut short within its head
    b"Ix*\0\x08\0\0\0\0\0",
    b"II*\0\x08\0\0\0\xff\xff" + bytes(30),  # more tags than it can hold
    b"II*\0\xff\xff\xff\x7f",  # leads out of the block
    b"",
)


@pytest.mark.parametrize("error", [TypeError, struct.error, OverflowError, AssertionError])
def test_anything_that_a_decoder_raises_names_the_file(error):
    sentence = r"a\.jpg cannot be decoded, .* damaged: odd"
    with pytest.raises(ImageError, match=sentence), decoding("a.jpg"):
        raise error("odd")
    with pytest.raises(ImageError, match=r"a\.jpg does not fit in memory"), decoding("a.jpg"):
        raise MemoryError
    with pytest.raises(InputError, match="kept"), decoding("a.jpg"):
        raise InputError("kept")
    with pytest.raises(KeyboardInterrupt), decoding("a.jpg"):
        raise KeyboardInterrupt


def png_with_exif(path: Path, exif: bytes) -> Path:
    content = io.BytesIO()
    Image.fromarray(gradient(40, 24)).save(content, format="PNG")
    chunk = b"eXIf" + exif
    whole = struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(content.getvalue()[:33] + whole + content.getvalue()[33:])
    return path


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("exif", DAMAGED_EXIF)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "heic"])
def test_a_photo_with_damaged_exif_is_read_without_it(tmp_path, suffix, exif):
    if suffix == "heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    path = tmp_path / f"a.{suffix}"
    if suffix == "png":
        png_with_exif(path, exif)
    else:
        Image.fromarray(gradient(40, 24)).save(path, exif=b"Exif\0\0" + exif)
    header = read_header(path)
    assert (header.size, header.exif_orientation) == ((40, 24), 1)
    assert read_metadata(path).camera is None
    assert np.abs(np.asarray(open_upright(path)).astype(int) - gradient(40, 24)).mean() < 6
    assert load_images(path).skipped == ()


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_an_avif_with_damaged_exif_is_read_without_it(tmp_path):
    exif = Image.Exif()
    exif[0x0110] = "model"
    Image.fromarray(gradient(40, 24)).save(tmp_path / "a.avif", exif=exif)
    content = (tmp_path / "a.avif").read_bytes()
    assert read_metadata(tmp_path / "a.avif").camera == "model"
    (tmp_path / "a.avif").write_bytes(content.replace(exif.tobytes()[6:10], b"Ix*\0"))
    assert read_metadata(tmp_path / "a.avif").camera is None
    assert open_upright(tmp_path / "a.avif").size == (40, 24)


def test_a_header_says_that_exif_was_damaged(tmp_path):
    assert read_header(png_with_exif(tmp_path / "a.png", DAMAGED_EXIF[0])).notes
    Image.fromarray(gradient(40, 24)).save(tmp_path / "b.png")
    assert read_header(tmp_path / "b.png").notes == ()


def test_damaged_further_pictures_cost_none(tmp_path):
    frames = [Image.fromarray(gradient(40, 24)) for _ in range(2)]
    frames[0].save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=frames[1:])
    content = (tmp_path / "a.jpg").read_bytes()
    table = content.index(b"MPF\0") + 4
    for offset in (4, 8, 10, 20):  # of its directory, and within
        damaged = bytearray(content)
        damaged[table + offset : table + offset + 4] = b"\xff\xff\xff\xff"
        (tmp_path / "a.jpg").write_bytes(damaged)
        assert open_upright(tmp_path / "a.jpg").size == (40, 24)


@pytest.mark.parametrize("name", ["a.gif", "a.avif"])
def test_gif_and_avif_are_read(tmp_path, name):
    if name == "a.avif" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    Image.fromarray(gradient(40, 24)).save(tmp_path / name)
    batch = load_images(tmp_path)
    assert batch.names == (name,)
    assert (
        np.abs(np.asarray(open_upright(tmp_path / name)) - gradient(40, 24).astype(int)).mean() < 9
    )


def test_depth_maps_and_textures_may_be_small(tmp_path):
    Image.new("L", (3, 2)).save(tmp_path / "a.png")
    assert open_as_stored(tmp_path / "a.png", min_side=1)[0].size == (3, 2)
    with pytest.raises(ImageError, match="at least 16"):
        open_as_stored(tmp_path / "a.png")


def test_a_raw_file_by_another_name_is_not_its_thumbnail(tmp_path):
    picture = Image.fromarray(gradient(40, 24))
    picture.save(tmp_path / "a.tif", tiffinfo={50706: b"\1\4\0\0"})
    with pytest.raises(ImageError, match=r"a\.tif is a camera's raw file \(DNG\): export it"):
        open_upright(tmp_path / "a.tif")
