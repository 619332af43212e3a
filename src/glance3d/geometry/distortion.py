"""Radial lens distortion by one coefficient, k1 of COLMAP's SIMPLE_RADIAL, there and back.

Convention: a ray (u, v, 1) of an ideal pinhole is seen at (u, v) * (1 + k1 * (u^2 + v^2)) on the
plane at depth 1, before the intrinsics. Because that is before the intrinsics, a resize or a crop
of the photo leaves k1 as it is.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

_ITERATIONS = 12
_FOLD = -4 / 27  # of k1 times the squared seen radius


def distort(
    rays: Float[Tensor, "*batch points 2"], radial: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch points 2"]:
    """Where ideal rays (u, v) are seen on the plane at depth 1."""
    squared = (rays * rays).sum(-1, keepdim=True)
    return rays * (1 + radial[..., None, None] * squared)


def undistort(
    seen: Float[Tensor, "*batch points 2"], radial: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch points 2"]:
    """The ideal rays (u, v) of what is seen on the plane at depth 1; inverse of :func:`distort`.

    NaN where no ray is seen: a negative k1 folds the plane, and beyond the fold there is nothing.

    With d the seen radius and s the ideal one over it, s (1 + k1 d^2 s^2) = 1. Newton's method goes
    up to the solution monotonically for barrels (from s = 1; the fold is at 3/2), and from the
    asymptotic cube root for strong pincushions.
    """
    bend = radial[..., None] * (seen * seen).sum(-1)
    ratio = bend.clamp_min(1.0).pow(-1 / 3)
    for _ in range(_ITERATIONS):
        excess = ratio * (1 + bend * ratio * ratio) - 1
        ratio = (ratio - excess / (1 + 3 * bend * ratio * ratio)).clamp(0, 1.5)
    return torch.where((bend > _FOLD)[..., None], seen * ratio[..., None], torch.nan)


def before_fold(
    rays: Float[Tensor, "*batch points 2"], radial: Float[Tensor, "*batch"]
) -> Bool[Tensor, "*batch points"]:
    """Whether ideal rays are ones that :func:`undistort` gives back, not ghosts beyond the fold."""
    return 1 + 3 * radial[..., None] * (rays * rays).sum(-1) > 0
