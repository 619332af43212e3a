"""Rigid transforms and similarities as matrices.

A rigid transform is a ``[..., 3, 4]`` matrix ``[R | t]`` mapping a column point ``p_b`` to
``p_a = R p_b + t``; it is called ``a_from_b``.
"""

import torch
from jaxtyping import Float
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


def rotation_from_quat_xyzw(quat_xyzw: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """The rotation of a quaternion that need not be normalised.

    The factor 2/|q|^2 normalises it on the way, so that gradients flow through its length.
    """
    x, y, z, w = quat_xyzw.unbind(-1)
    s = 2.0 / (quat_xyzw * quat_xyzw).sum(-1)
    rows = [
        torch.stack([1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)], -1),
        torch.stack([s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)], -1),
        torch.stack([s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)], -1),
    ]
    return torch.stack(rows, -2)


def rotation_angle(
    a: Float[Tensor, "*batch 3 3"], b: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch"]:
    """Angle in radians between two rotations, exact near 0 and near pi."""
    relative = a.transpose(-1, -2) @ b
    cosine = (relative.diagonal(dim1=-1, dim2=-2).sum(-1) - 1) / 2
    sine = (
        torch.stack(
            [
                relative[..., 2, 1] - relative[..., 1, 2],
                relative[..., 0, 2] - relative[..., 2, 0],
                relative[..., 1, 0] - relative[..., 0, 1],
            ],
            -1,
        ).norm(dim=-1)
        / 2
    )
    return torch.atan2(sine, cosine)
