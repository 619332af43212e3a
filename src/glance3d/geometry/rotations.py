"""Rotations as matrices, quaternions and axis-angle vectors.

``roma`` has all of this and is the slow twin in the tests; importing it takes longer than importing
torch, because it brings torch's compiler with it.
"""

import torch
from jaxtyping import Float
from torch import Tensor


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


def quat_xyzw_from_rotation(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """The unit quaternion (x, y, z, w) of a rotation matrix, of either sign.

    It has length one also where the matrix is a rotation up to rounding only. Nothing waits for the
    device: there is no branch on values.

    Source: F. L. Markley, Unit quaternion from rotation matrix, Journal of Guidance, Control, and
    Dynamics 31(2), 2008.
    """
    r00, r01, r02, r10, r11, r12, r20, r21, r22 = rotation.flatten(-2).unbind(-1)
    # Each row is the quaternion times four of its own component: 4 q q^T.
    rows = [
        [1 + r00 - r11 - r22, r10 + r01, r20 + r02, r21 - r12],
        [r01 + r10, 1 + r11 - r22 - r00, r21 + r12, r02 - r20],
        [r02 + r20, r12 + r21, 1 + r22 - r00 - r11, r10 - r01],
        [r21 - r12, r02 - r20, r10 - r01, 1 + r00 + r11 + r22],
    ]
    multiples = torch.stack([torch.stack(row, -1) for row in rows], -2)
    # The row of the largest component has the smallest rounding error.
    largest = multiples.diagonal(dim1=-2, dim2=-1).argmax(-1)
    chosen = multiples.take_along_dim(largest[..., None, None], -2).squeeze(-2)
    return chosen / torch.linalg.vector_norm(chosen, dim=-1, keepdim=True)


def positive_quat_xyzw_from_rotation(
    rotation: Float[Tensor, "*batch 3 3"],
) -> Float[Tensor, "*batch 4"]:
    """The unit quaternion (x, y, z, w) whose w is not negative; any of the two at a half turn.

    Equal to :func:`quat_xyzw_from_rotation` but for the sign and for rounding, to which the camera
    head of trained weights is used.
    """
    m = rotation.flatten(-2).unbind(-1)
    diagonal = torch.stack([m[0], m[4], m[8]], -1)
    trace = diagonal.sum(-1, keepdim=True)
    # 4 q_i^2 is 1 + 2 R_ii - trace for x, y, z and 1 + trace for w.
    size = (1 + torch.cat([2 * diagonal - trace, trace], -1)).clamp(min=0).sqrt() / 2
    # R - R^T is 4 w times the cross product matrix of (x, y, z): it has their signs.
    xyz = torch.stack([m[7] - m[5], m[2] - m[6], m[3] - m[1]], -1)
    signed = torch.copysign(size[..., :3], xyz)
    return torch.nn.functional.normalize(torch.cat([signed, size[..., 3:]], -1), dim=-1)


def so3_exp(axis_angle: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """The rotation about an axis by its length in radians: the exponential map of SO(3).

    Smooth at zero. Source: F. S. Grassia, Practical parameterization of rotations using the
    exponential map, Journal of Graphics Tools 3(3), 1998.
    """
    half = axis_angle.norm(dim=-1, keepdim=True) / 2
    # (x, y, z) is sin(half) times the unit axis; torch's sinc(u) is sin(pi u) / (pi u).
    xyz = axis_angle / 2 * torch.sinc(half / torch.pi)
    return rotation_from_quat_xyzw(torch.cat([xyz, half.cos()], -1))


def kabsch(
    covariance: Float[Tensor, "*batch 3 3"],
) -> tuple[Float[Tensor, "*batch 3 3"], Float[Tensor, "*batch 3"]]:
    """The rotation R with the largest ``trace(R^T covariance)``, and signed singular values.

    The sum of these is that trace; the last is negative where a reflection would fit better.
    ``torch.linalg.svd`` makes the host of a GPU wait;
    :func:`glance3d.geometry.sync_free_linalg.wahba_rotation` is another way.
    Source: S. Umeyama, Least-squares estimation of transformation parameters between two point
    patterns, PAMI 13(4), 1991.
    """
    u, singular, v_t = torch.linalg.svd(covariance)
    sign = torch.ones_like(singular)
    sign[..., 2] = torch.linalg.det(u @ v_t).sign()
    return u @ (sign[..., :, None] * v_t), singular * sign


def nearest_rotation(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """The rotation nearest to a matrix, by the sum of squared differences (:func:`kabsch`)."""
    return kabsch(matrix)[0]


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
