"""Grey photos, each level half the size of the one before."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from glance3d.refinement.grey_photos import grey_photo, scale_within

# Pixels of the coarsest level by which a start may miss: what small patches still find.
_REACH = 1.5
_MOST_LEVELS = 4


@dataclass(frozen=True)
class Pyramid:
    """A photo in grey (0 to 1); the finest level first, ``scale`` times the original size."""

    levels: tuple[Float[Tensor, "_height _width"], ...]
    scale: float


def build_pyramid(
    photo: UInt8[np.ndarray, "height width 3"], max_image_size: int, num_levels: int
) -> Pyramid:
    """A photo of at most ``max_image_size`` pixels on its longer side, and coarser ones of it."""
    level, scale = grey_photo(photo, max_image_size)
    levels = [level]
    for _ in range(num_levels - 1):
        levels.append(F.avg_pool2d(levels[-1][None, None], 2, ceil_mode=True)[0, 0])
    return Pyramid(tuple(levels), scale)


def levels_to_reach(max_error: float, sizes: Sequence[tuple[int, int]], max_image_size: int) -> int:
    """How many levels find what is off by so much, in original pixels, in the largest photo."""
    largest = max_error * max(scale_within(size, max_image_size) for size in sizes)
    halvings = math.ceil(math.log2(max(largest / _REACH, 1.0)))
    return min(1 + halvings, _MOST_LEVELS)
