"""Depth as colour, for people: near is warm, far is cold, unknown is black."""

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from glance3d.geometry.filter import kth_smallest, picked

# Far to near; lightness rises steadily, so that the picture still reads in grey.
_STOPS = np.array(
    [
        [18, 10, 60],
        [40, 50, 150],
        [20, 110, 180],
        [20, 160, 150],
        [100, 195, 90],
        [215, 205, 60],
        [250, 180, 90],
        [255, 225, 200],
    ],
    dtype=np.float64,
)
_TABLE = np.stack(
    [
        np.interp(np.linspace(0, len(_STOPS) - 1, 256), np.arange(len(_STOPS)), channel)
        for channel in _STOPS.T
    ],
    -1,
).round()


def inverse_depth_range(
    depth: Float[Tensor, "*batch"], valid: Bool[Tensor, "*batch"]
) -> tuple[float, float]:
    """The 2nd and 98th percentile of 1/depth: a range that a few outliers cannot stretch.

    (0, 1) where nothing is valid. Inverse depth gives near surfaces most of the colours.
    """
    known = picked(depth, valid)
    if len(known) == 0:
        return 0.0, 1.0
    last = len(known) - 1  # the k-th smallest of 1/depth is that of the k-th largest depth
    low, high = (1 / kth_smallest(known, last - int(share * last)) for share in (0.02, 0.98))
    return low, high


def colorize_depth(
    depth: Float[Tensor, "height width"],
    valid: Bool[Tensor, "height width"],
    inverse_range: tuple[float, float],
) -> UInt8[Tensor, "height width 3"]:
    """RGB of a depth map, within the shared range of :func:`inverse_depth_range`."""
    low, high = inverse_range
    inverse = 1 / torch.where(valid, depth, 1.0).double()
    level = ((inverse - low) / max(high - low, 1e-12) * 255).clamp(0, 255).round().long()
    table = torch.from_numpy(_TABLE.astype(np.uint8))
    return table[level] * valid[..., None]
