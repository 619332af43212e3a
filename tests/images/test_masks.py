"""Masks: found by name, turned as their photos, and refused with a sentence."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glance3d.errors import ImageError, InputError
from glance3d.images import Preprocessing, load_images
from glance3d.types import PhotoMask

SMALL = Preprocessing(max_pixels=84 * 56)
EXIF_ORIENTATION = 0x0112
RAW_SIZE = (96, 64)


def save(path: Path, pixels: np.ndarray | Image.Image, orientation: int | None = None) -> Path:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    exif = Image.Exif()
    if orientation is not None:
        exif[EXIF_ORIENTATION] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, exif=exif)
    return path


def corner(size: tuple[int, int]) -> np.ndarray:
    """White but for a black block in the top left corner, whose sides differ."""
    mask = np.full((size[1], size[0]), 255, np.uint8)
    mask[: size[1] // 4, : size[0] // 2] = 0
    return mask


def photo(folder: Path, name: str, size=RAW_SIZE, orientation: int | None = None) -> Path:
    pixels = np.random.default_rng(len(name)).integers(0, 255, (size[1], size[0], 3), np.uint8)
    return save(folder / name, pixels, orientation)


def keep_of(mask: PhotoMask | None) -> np.ndarray:
    assert mask is not None
    return mask.to_array()


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "photos", tmp_path / "masks"


@pytest.mark.parametrize("orientation", [6, 8])
def test_a_mask_over_stored_pixels_is_turned_as_its_photo(folders, orientation) -> None:
    photos, masks = folders
    photo(photos, "a.jpg", orientation=orientation)
    save(masks / "a.png", corner(RAW_SIZE))
    batch = load_images(photos, SMALL, masks=masks)
    assert batch.placements[0].original_size == RAW_SIZE[::-1]
    turned = np.rot90(corner(RAW_SIZE), -1 if orientation == 6 else 1) > 0
    np.testing.assert_array_equal(keep_of(batch.masks[0]), turned)


@pytest.mark.parametrize("orientation", [6, 8])
def test_a_mask_over_the_upright_photo_is_left_as_it_is(folders, orientation) -> None:
    photos, masks = folders
    photo(photos, "a.jpg", orientation=orientation)
    save(masks / "a.png", corner(RAW_SIZE[::-1]))
    batch = load_images(photos, SMALL, masks=masks)
    np.testing.assert_array_equal(keep_of(batch.masks[0]), corner(RAW_SIZE[::-1]) > 0)


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("own", [None, "the photo's"])
def test_where_the_size_says_nothing_the_masks_own_exif_decides(folders, orientation, own) -> None:
    photos, masks = folders
    size = (80, 80)
    photo(photos, "a.jpg", size, orientation)
    save(masks / "a.png", corner(size), None if own is None else orientation)
    batch = load_images(photos, SMALL, masks=masks)
    turns = 0 if own is None else {3: 2, 6: -1, 8: 1}[orientation]
    np.testing.assert_array_equal(keep_of(batch.masks[0]), np.rot90(corner(size), turns) > 0)


def test_the_grid_shows_what_the_mask_keeps(folders) -> None:
    photos, masks = folders
    photo(photos, "a.jpg", (96, 64))
    photo(photos, "b.jpg", (64, 96))  # so that there is padding
    save(masks / "a.png", corner((96, 64)))
    batch = load_images(photos, SMALL, masks=masks)
    assert batch.masks[1] is None
    np.testing.assert_array_equal(batch.usable_mask[1], batch.content_mask[1])
    kept = batch.usable_mask[0].sum() / batch.content_mask[0].sum()
    assert float(kept) == pytest.approx(7 / 8, abs=0.03)
    assert not (batch.usable_mask & ~batch.content_mask).any()


def test_what_counts_as_white(folders) -> None:
    photos, masks = folders
    steps = np.tile(np.arange(96, dtype=np.uint8) * 2 + 40, (64, 1))  # 40 to 230
    cutout = np.dstack([np.zeros((64, 96, 3), np.uint8), steps])
    opaque = np.dstack([np.repeat(steps[..., None], 3, -1), np.full((64, 96), 255, np.uint8)])
    kinds = {
        "grey": steps,
        "cutout": cutout,
        "opaque": opaque,
        "deep": steps.astype(np.uint16) * 257,
        "labels": (steps >= 128).astype(np.uint8),
        "bits": Image.fromarray(steps >= 128),
    }
    for name, pixels in kinds.items():
        photo(photos, f"{name}.jpg")
        save(masks / f"{name}.png", pixels)
    batch = load_images(photos, SMALL, masks=masks)
    for mask in batch.masks:
        np.testing.assert_array_equal(keep_of(mask), steps >= 128)


def test_labels_count_by_their_numbers_not_by_their_looks(folders) -> None:
    photos, masks = folders
    labels = np.zeros((64, 96), np.uint8)
    labels[:, 30:60], labels[:, 60:] = 1, 2
    palette = Image.fromarray(labels).convert("P")
    palette.putpalette([0, 0, 0, 128, 0, 0, 0, 60, 0])  # dark colours, as of PASCAL VOC
    white_first = Image.fromarray(255 - 255 * np.minimum(labels, 1)).convert("P")
    two = np.dstack([np.zeros_like(labels), np.minimum(labels, 1) * 200])
    cutout = np.dstack([np.full((64, 96, 3), 9, np.uint8), np.minimum(labels, 1) * 255])
    kinds = {
        "numbers": labels,
        "deep": labels.astype(np.uint16),
        "palette": palette,
        "colours": palette.convert("RGB"),
        "grey_alpha": Image.fromarray(two),
        "alpha_only": Image.fromarray(cutout),
        "one_bit": Image.fromarray(labels > 0),
    }
    for name, pixels in kinds.items():
        photo(photos, f"{name}.jpg")
        save(masks / f"{name}.png", pixels)
    photo(photos, "white_first.jpg")  # black and white, saved with a palette: no labels
    save(masks / "white_first.gif", white_first)
    batch = load_images(photos, SMALL, masks=masks)
    for name, mask in zip(batch.names, batch.masks, strict=True):
        kept = labels == 0 if name == "white_first.jpg" else labels > 0
        np.testing.assert_array_equal(keep_of(mask), kept, err_msg=name)


def test_colours_of_a_jpeg_are_no_labels(folders) -> None:
    photos, masks = folders
    photo(photos, "a.jpg")
    shade = np.zeros((64, 96, 3), np.uint8) + np.array([9, 0, 30], np.uint8)
    shade[:, 48:] = 250
    save(masks / "a.jpg", shade)
    kept = keep_of(load_images(photos, SMALL, masks=masks).masks[0])
    assert not kept[:, :40].any()
    assert kept[:, 56:].all()


def test_the_noise_of_a_black_jpeg_is_no_label(folders) -> None:
    photos, masks = folders
    photo(photos, "a.jpg")
    noise = np.random.default_rng(0).integers(0, 9, (64, 96), np.uint8)
    save(masks / "a.jpg", noise)
    assert not keep_of(load_images(photos, SMALL, masks=masks).masks[0]).any()


def test_masks_go_by_stem_or_as_colmap_names_them(folders) -> None:
    photos, masks = folders
    for name in ("IMG_1.jpg", "IMG_2.JPG", "IMG_3.jpg"):
        photo(photos, name)
    save(masks / "IMG_1.bmp", corner(RAW_SIZE))
    save(masks / "img_2.jpg.png", corner(RAW_SIZE))
    batch = load_images(photos, SMALL, masks=masks)
    assert [mask is not None for mask in batch.masks] == [True, True, False]


def test_photos_of_one_name_in_two_folders_have_their_own_masks(tmp_path) -> None:
    paths = [photo(tmp_path / side, "1.jpg") for side in ("left", "right")]
    save(tmp_path / "masks" / "right_1.png", corner(RAW_SIZE))
    batch = load_images(paths, SMALL, masks=tmp_path / "masks")
    assert [mask is not None for mask in batch.masks] == [False, True]


def test_masks_may_be_given_one_by_one(folders) -> None:
    photos, masks = folders
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        photo(photos, name)
    path = save(masks / "any name.png", corner(RAW_SIZE))
    given = [path, None, corner(RAW_SIZE) > 0]
    batch = load_images(photos, SMALL, masks=given)
    np.testing.assert_array_equal(keep_of(batch.masks[0]), keep_of(batch.masks[2]))
    assert batch.masks[1] is None
    with pytest.raises(InputError, match="got 2 masks for 3 photos"):
        load_images(photos, SMALL, masks=given[:2])
    with pytest.raises(InputError, match=r"mask of a\.jpg must be .*, got float32"):
        load_images(photos, SMALL, masks=[np.zeros((64, 96), np.float32), None, None])


def test_a_photo_that_cannot_be_read_takes_its_mask_along(folders) -> None:
    photos, masks = folders
    photo(photos, "b.jpg")
    (photos / "a.jpg").write_text("no photo")
    for name in ("a.png", "b.png"):
        save(masks / name, corner(RAW_SIZE))
    batch = load_images(photos, SMALL, masks=masks)
    assert batch.names == ("b.jpg",)
    np.testing.assert_array_equal(keep_of(batch.masks[0]), corner(RAW_SIZE) > 0)


def test_refusals_name_the_mask(folders) -> None:
    photos, masks = folders
    photo(photos, "a.jpg", orientation=6)
    with pytest.raises(ImageError, match="masks is no folder of masks"):
        load_images(photos, SMALL, masks=masks)
    save(masks / "a.png", corner((48, 32)))
    with pytest.raises(ImageError, match=r"a\.png is 48x32.*a\.jpg is 64x96 \(or 96x64"):
        load_images(photos, SMALL, masks=masks)
    save(masks / "a.png", corner(RAW_SIZE))
    save(masks / "lost.png", corner(RAW_SIZE))
    with pytest.raises(ImageError, match=r"lost\.png in .* is a mask without a photo.*a\.jpg"):
        load_images(photos, SMALL, masks=masks)
    (masks / "lost.png").unlink()
    save(masks / "a.jpg.png", corner(RAW_SIZE))  # the same once more
    load_images(photos, SMALL, masks=masks)
    save(masks / "a.jpg.png", 255 - corner(RAW_SIZE))
    with pytest.raises(ImageError, match=r"different masks of one photo, a\.jpg"):
        load_images(photos, SMALL, masks=masks)


def test_a_name_is_found_composed_or_decomposed(folders) -> None:
    photos, masks = folders
    photo(photos, unicodedata.normalize("NFD", "Küche.jpg"))
    photo(photos, unicodedata.normalize("NFC", "Wände.jpg"))
    save(masks / unicodedata.normalize("NFC", "küche.png"), corner(RAW_SIZE))
    save(masks / unicodedata.normalize("NFD", "Wände.jpg.png"), corner(RAW_SIZE))
    assert all(mask is not None for mask in load_images(photos, SMALL, masks=masks).masks)
