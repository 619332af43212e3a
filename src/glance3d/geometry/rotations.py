"""Rotations in the forms that other programs want them.

``roma`` has all of this and is the slow twin in the tests; importing it takes longer than importing
torch, because it brings torch's compiler with it.
"""

import torch
from jaxtyping import Float
from torch import Tensor


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
