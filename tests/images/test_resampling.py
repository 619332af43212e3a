"""Means of areas and cubics, against sums written out pixel by pixel."""

import numpy as np
import pytest
from PIL import Image

from glance3d.images import resampling
from glance3d.images.resampling import resize_by_area, resize_by_cubic


def noise(width, height, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def resized(pixels, size, resize):
    return np.asarray(resize(Image.fromarray(pixels), size))


def covered(source, target):
    """How much of each source pixel (columns) every target pixel (rows) covers, in float64."""
    ratio = source / target
    start, pixel = np.arange(target)[:, None] * ratio, np.arange(source)
    share = np.minimum(start + ratio, pixel + 1) - np.maximum(start, pixel)
    return share.clip(0) / ratio


@pytest.mark.parametrize("size", [(23, 17), (40, 13), (29, 30), (40, 30), (1, 1)])
def test_an_area_is_the_mean_of_what_it_covers(size):
    pixels = noise(40, 30)
    mean = np.einsum("yh,hwc,xw->yxc", covered(30, size[1]), pixels, covered(40, size[0]))
    error = np.abs(resized(pixels, size, resize_by_area) - mean)
    assert error.max() <= 0.5 + 1e-4


def test_halves_are_rounded_to_even_and_up_for_two_by_two():
    dark = np.zeros((4, 4, 3), np.uint8)
    dark[::2, ::2] = 2  # each block of 2 x 2 has the mean 0.5
    assert (resized(dark, (2, 2), resize_by_area) == 1).all()
    dark[:2, :2] = 8
    dark[2:, 2:] = 0  # the mean of all is 2.25, of the left half 4 and of the right 0.5
    dark[2:, :2] = 0
    assert resized(dark, (2, 1), resize_by_area)[..., 0].tolist() == [[4, 0]]


@pytest.mark.parametrize("size", [(14, 14), (57, 16), (70, 98)])
def test_a_cubic_goes_through_four_pixels(size):
    pixels = noise(20, 16)

    def weights(source, target):
        center = (np.arange(target) + 0.5) * source / target - 0.5
        matrix = np.zeros((target, source))
        for row, c in enumerate(center):
            for tap in range(int(np.floor(c)) - 1, int(np.floor(c)) + 3):
                d = abs(c - tap)
                value = (
                    1.25 * d**3 - 2.25 * d**2 + 1
                    if d <= 1
                    else -0.75 * d**3 + 3.75 * d**2 - 6 * d + 3
                )
                matrix[row, min(max(tap, 0), source - 1)] += value
        return matrix

    curve = np.einsum("yh,hwc,xw->yxc", weights(16, size[1]), pixels, weights(20, size[0]))
    error = np.abs(resized(pixels, size, resize_by_cubic) - curve.clip(0, 255))
    assert error.max() <= 0.5 + 1e-4


@pytest.mark.parametrize("resize", [resize_by_area, resize_by_cubic])
def test_blocks_of_any_size_give_the_same_pixels(resize, monkeypatch):
    pixels = noise(90, 70)
    whole = resized(pixels, (37, 42), resize)
    monkeypatch.setattr(resampling, "_BLOCK", 1000)
    assert (resized(pixels, (37, 42), resize) == whole).all()


@pytest.mark.parametrize("resize", [resize_by_area, resize_by_cubic])
def test_the_same_size_is_the_same_picture(resize):
    pixels = noise(20, 10)
    assert (resized(pixels, (20, 10), resize) == pixels).all()
