"""Corners of the original photos, one a cell, and the same corner in another photo.

A cell is far too coarse for a camera's place. The strongest corner in it (Shi and Tomasi, "Good
features to track", CVPR 1994) is found again in the other photo by patches of pixels
(:mod:`glance3d.multiview.matching.subpixel`). One corner stands for its cell in all pairs, so that
tracks form.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from glance3d.multiview.matching.subpixel import align_patches, image_gradients
from glance3d.multiview.options import SubpixelOptions
from glance3d.refinement.grey_photos import grey_photo
from glance3d.refinement.matching.learned.view_descriptors import ViewDescriptors

_PATCH_RADIUS = 6  # pixels
_STEPS = SubpixelOptions(iterations=8, max_step=2.0)
# Cells by which a corner may be off from where descriptors expect it.
_MAX_SHIFT = 0.7
_CORNER_WINDOW = 5  # pixels, of the structure tensor


@dataclass(frozen=True)
class PhotoCorners:
    """A photo in grey, ``scale`` times its original size, and the corner of each cell.

    ``pictures`` are the grey levels (0 to 1) and their gradients along x and y. ``pixels`` are
    original ones; a cell without any texture has its middle.
    """

    pictures: Float[Tensor, "3 height width"]
    scale: float
    pixels: Float[Tensor, "cells 2"]


@torch.inference_mode()
def find_corners(
    photo: UInt8[np.ndarray, "height width 3"],
    described: ViewDescriptors,
    view: int,
    max_image_size: int,
) -> PhotoCorners:
    """The strongest corner of every cell, found on a photo of at most this longer side."""
    levels, scale = grey_photo(photo, max_image_size)
    pictures = image_gradients(levels[None, None])[0, 0]
    strength = _corner_strength(pictures)
    rows, columns = described.grid
    y, x = torch.meshgrid(*(torch.arange(side) + 0.5 for side in levels.shape), indexing="ij")
    pixels = torch.stack([x, y], -1).flatten(0, 1) / scale
    column, row = described.to_cells(view, pixels).round().long().unbind(-1)
    inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    inside &= strength > 0
    cell = (row * columns + column)[inside]
    best = torch.zeros(rows * columns).scatter_reduce(0, cell, strength[inside], "amax")
    is_best = strength[inside] >= best[cell]
    corners = described.centres(view).float().clone()
    corners[cell[is_best]] = pixels[inside][is_best]
    return PhotoCorners(pictures, scale, corners)


@torch.inference_mode()
def find_again(
    first: PhotoCorners,
    second: PhotoCorners,
    pixels: Float[Tensor, "n 2"],
    about: Float[Tensor, "n 2"],
    cell_side: float,
) -> tuple[Float[Tensor, "n 2"], Bool[Tensor, " n"]]:
    """Where the second photo looks like the first one at ``pixels``; which do look alike.

    All are original pixels, ``about`` where the second photo is searched, and ``cell_side`` the
    side of its cells.
    """
    source, start = first.scale * pixels - 0.5, second.scale * about - 0.5
    fine, likeness = align_patches(
        first.pictures[None, None, :1],
        source[None, None],
        second.pictures[None, None],
        start[None, None],
        _PATCH_RADIUS,
        _MAX_SHIFT * cell_side * second.scale,
        _STEPS,
    )
    return (fine[0, 0] + 0.5) / second.scale, likeness[0, 0] > 0


def _corner_strength(pictures: Float[Tensor, "3 height width"]) -> Float[Tensor, " pixels"]:
    """The smaller eigenvalue of the structure tensor; zero near the border, where patches end."""
    _, dx, dy = pictures
    margin = _CORNER_WINDOW // 2
    products = torch.stack([dx * dx, dy * dy, dx * dy])[None]
    padded = F.pad(products, (margin,) * 4, mode="replicate")
    xx, yy, xy = F.avg_pool2d(padded, _CORNER_WINDOW, 1)[0]
    smaller = (xx + yy) / 2 - (((xx - yy) / 2).square() + xy.square()).sqrt()
    inner = torch.zeros_like(smaller)
    inside = slice(_CORNER_WINDOW, -_CORNER_WINDOW)
    inner[inside, inside] = smaller[inside, inside]
    return inner.flatten()
