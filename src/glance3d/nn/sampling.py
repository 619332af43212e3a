"""Feature maps read between their cells."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from glance3d.nn.tables import constant


def sample_bilinear(
    maps: Float[Tensor, "batch channels height width"],
    points: Float[Tensor, "batch *points 2"],
    padding: str,
) -> Float[Tensor, "batch *points channels"]:
    """Features at (x, y), the first pixel's centre being 0.

    ``padding`` outside the map is "border" or "zeros". Where the map is one pixel wide or high,
    every coordinate along that side reads that pixel.
    """
    height, width = maps.shape[-2:]
    # With align_corners, grid_sample's -1 and 1 are the first and the last pixel's centre.
    scale = constant((2 / max(width - 1, 1), 2 / max(height - 1, 1)), points.device)
    normalised = points.flatten(1, -2)[:, :, None] * scale - 1
    sampled = F.grid_sample(maps, normalised, padding_mode=padding, align_corners=True)
    return sampled[..., 0].transpose(1, 2).unflatten(1, points.shape[1:-1])
