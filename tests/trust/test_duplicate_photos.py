"""Which photos show the same picture, and which show next to nothing."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from glance3d.trust.duplicate_photos import are_dark, find_duplicates, texture_shares, to_grey
from tests.refinement.rendered import Room, arc, photograph


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return photograph(Room(), arc(3)[1])


def stacked(*photos: Image.Image) -> Tensor:
    return to_grey(torch.stack([torch.from_numpy(np.array(p)) for p in photos]))


def recompressed(photo: Image.Image) -> Image.Image:
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=80)
    return Image.open(file).convert("RGB")


def test_a_picture_is_itself_again_after_recompression_and_brightening(photo: Image.Image) -> None:
    other = photograph(Room(), arc(3)[2])
    brighter = photo.point(lambda value: min(255, value + 4))
    grey = stacked(other, photo, recompressed(photo), brighter)
    assert find_duplicates(grey) == [0, 1, 1, 1]


@pytest.mark.parametrize("shift", [1, 2, 5])
def test_a_camera_that_moved_makes_another_picture(photo: Image.Image, shift: int) -> None:
    pixels = np.array(photo)
    moved = Image.fromarray(np.roll(pixels, shift, 1))
    assert find_duplicates(stacked(photo, moved)) == [0, 1]


def test_an_object_on_black_that_turned_is_another_picture() -> None:
    small = [
        np.pad(
            np.array(photograph(Room(), where))[100:200, 130:270], ((100, 100), (130, 130), (0, 0))
        )
        for where in arc(2, width=0.3)
    ]
    grey = stacked(*map(Image.fromarray, small), recompressed(Image.fromarray(small[1])))
    assert find_duplicates(grey) == [0, 1, 1]


def test_plain_walls_are_like_nothing_and_have_no_texture(photo: Image.Image) -> None:
    wall = photograph(Room(plain=True), arc(3)[1])
    random = np.random.default_rng(0)
    grainy = np.array(wall) + random.normal(0, 4, np.array(wall).shape)
    noisy = Image.fromarray(grainy.clip(0, 255).astype(np.uint8))
    grey = stacked(photo, wall, noisy)
    share = texture_shares(grey)
    assert share[0] > 0.9
    assert max(share[1:]) < 0.05
    assert find_duplicates(grey) == [0, 1, 2]


def on_black(middle: np.ndarray) -> Image.Image:
    rows, columns = 300 - middle.shape[0], 400 - middle.shape[1]
    sides = ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2), (0, 0))
    return Image.fromarray(np.pad(middle, sides))


def test_where_a_black_background_ends_is_no_texture(photo: Image.Image) -> None:
    wall = np.array(photograph(Room(plain=True), arc(3)[1]))
    grey = stacked(on_black(wall[50:250, 50:350]), on_black(np.array(photo)[100:160, 100:190]))
    plain, small = texture_shares(grey)
    assert plain < 0.02
    assert small > 0.5  # of the object, which is 5 % of the photo


def test_black_inside_the_scene_is_part_of_it() -> None:
    board = np.kron(np.indices((15, 20)).sum(0) % 2, np.ones((20, 20)))[..., None].repeat(3, 2)
    inside = np.pad(board * 255, ((20, 20), (20, 20), (0, 0)), constant_values=255.0)
    assert texture_shares(stacked(Image.fromarray(inside.astype(np.uint8))))[0] > 0.5


def test_dark_pictures_are_known(photo: Image.Image) -> None:
    dark = photo.point(lambda value: value // 5)
    assert are_dark(stacked(photo, dark, on_black(np.array(photo)[100:200, 100:250]))) == [
        False,
        True,
        False,
    ]
