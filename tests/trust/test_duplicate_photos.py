"""Which photos show the same picture, and which show next to nothing."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from glance3d.trust.duplicate_photos import find_duplicates, texture_shares, to_grey
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
