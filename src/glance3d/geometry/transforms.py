"""Rigid transforms and similarities as matrices.

A rigid transform is a ``[..., 3, 4]`` matrix ``[R | t]`` mapping a column point ``p_b`` to
``p_a = R p_b + t``; it is called ``a_from_b``.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def compose(
    a_from_b: Float[Tensor, "*#batch 3 4"], b_from_c: Float[Tensor, "*#batch 3 4"]
) -> Float[Tensor, "*#batch 3 4"]:
    """``a_from_c``. Names cancel: ``compose(a_from_b, b_from_c)``."""
    rotation = a_from_b[..., :3] @ b_from_c[..., :3]
    translation = a_from_b[..., :3] @ b_from_c[..., 3:] + a_from_b[..., 3:]
    return torch.cat([rotation, translation], dim=-1)


def invert(a_from_b: Float[Tensor, "*batch 3 4"]) -> Float[Tensor, "*batch 3 4"]:
    """``b_from_a`` of a rigid transform."""
    rotation = a_from_b[..., :3].transpose(-1, -2)
    return torch.cat([rotation, -rotation @ a_from_b[..., 3:]], dim=-1)


def transform_points(
    a_from_b: Float[Tensor, "*batch 3 4"], points: Float[Tensor, "*batch points 3"]
) -> Float[Tensor, "*batch points 3"]:
    """Points of frame b, in frame a."""
    return points @ a_from_b[..., :3].transpose(-1, -2) + a_from_b[..., 3].unsqueeze(-2)


def is_known(matrices: Float[Tensor, "*batch rows columns"]) -> Bool[Tensor, "*batch"]:
    """Which poses, or intrinsics, are known: all of their numbers are finite."""
    return matrices.isfinite().flatten(-2).all(-1)
