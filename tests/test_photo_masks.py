"""A photo's mask: packed and unpacked, asked at pixels and on grids."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glance3d.errors import InputError
from glance3d.types import PhotoMask, Placement, kept_pixels


def blob(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Some large shape: a few rectangles."""
    random = np.random.default_rng(seed)
    keep = np.ones((height, width), bool)
    for _ in range(3):
        x, y = random.integers(0, width), random.integers(0, height)
        keep[y : y + height // 3, x : x + width // 3] = False
    return keep


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
@settings(max_examples=30)
def test_bits_hold_the_mask_and_tell_single_pixels(width, height, seed) -> None:
    keep = np.random.default_rng(seed).random((height, width)) > 0.5
    mask = PhotoMask.from_array(keep)
    np.testing.assert_array_equal(mask.to_array(), keep)
    y, x = np.mgrid[:height, :width]
    pixels = torch.from_numpy(np.stack([x, y], -1) + 0.5)
    np.testing.assert_array_equal(mask.keeps(pixels), keep)
    assert mask.share == pytest.approx(keep.mean())


def test_nothing_outside_the_photo_is_kept() -> None:
    mask = PhotoMask.from_array(np.ones((5, 7), bool))
    outside = torch.tensor([[-0.1, 2.0], [3.0, 6.1], [9.0, 2.0], [torch.nan, 1.0], [1e30, 1.0]])
    assert not mask.keeps(outside).any()
    assert mask.keeps(torch.tensor([[7.0, 5.0], [0.0, 0.0]])).all()


@pytest.mark.parametrize(
    "placement",
    [
        Placement((96, 64), (48, 32), (0.5, 0.5)),
        Placement((96, 64), (56, 56), (56 / 96, 40 / 64), (0.0, 8.0)),  # padded
        Placement((96, 64), (42, 42), (70 / 96, 42 / 64), (-14.0, 0.0)),  # cropped
        Placement((96, 64), (130, 90), (1.3, 1.3)),  # enlarged
    ],
)
def test_a_grid_keeps_what_it_shows_of_the_kept_part(placement: Placement) -> None:
    keep = blob(96, 64)
    on_grid = PhotoMask.from_array(keep).on_grid(placement)
    # The slow twin: many samples in every pixel of the grid.
    width, height = placement.processed_size
    num = 12
    x, y = (torch.arange(side * num) / num + 0.5 / num for side in (width, height))
    at = placement.to_original(torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)).floor().long()
    inside = (at >= 0).all(-1) & (at < torch.tensor([96, 64])).all(-1)
    kept = torch.from_numpy(keep)[at[..., 1].clamp(0, 63), at[..., 0].clamp(0, 95)] & inside
    shown, counted = (
        values.float().unflatten(1, (width, num)).unflatten(0, (height, num)).sum((1, 3))
        for values in (inside, kept)
    )
    assert not on_grid[shown == 0].any()
    assert not on_grid[counted < 0.7 * shown].any()
    assert on_grid[counted == num**2].all()
    assert 0.5 < float(on_grid.sum() / (counted == num**2).sum()) < 1.3


def test_no_pixel_of_a_grid_is_kept_whose_centre_is_not() -> None:
    keep = np.random.default_rng(0).random((64, 96)) > 0.1
    placement = Placement((96, 64), (48, 32), (0.5, 0.5))
    mask = PhotoMask.from_array(keep)
    y, x = mask.on_grid(placement).nonzero().unbind(-1)
    assert len(x) > 100
    assert mask.keeps(placement.to_original(torch.stack([x, y], -1) + 0.5)).all()


def test_views_without_a_mask_keep_everything() -> None:
    mask = PhotoMask.from_array(np.zeros((4, 4), bool))
    pixels = torch.full((3, 2, 2), 1.5)
    assert kept_pixels((None, mask, None), pixels).tolist() == [[True] * 2, [False] * 2, [True] * 2]


def test_bits_must_be_as_many_as_pixels() -> None:
    with pytest.raises(InputError, match="needs 3 bytes, got 2"):
        PhotoMask((5, 4), torch.zeros(2, dtype=torch.uint8))
