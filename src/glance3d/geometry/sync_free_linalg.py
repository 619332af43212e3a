"""Eigenvectors and rotations of many tiny matrices, without factorisations that stall a GPU.

``torch.linalg.eigh`` and ``svd`` wait for the device to report success. Here repeated squaring and
closed forms do the same for batches of 9 x 9, 4 x 4 and 3 x 3 matrices; what is degenerate gives
some finite answer.
"""

import torch
from jaxtyping import Float
from torch import Tensor

_EPS = 1e-12


def top_eigenvector(
    matrix: Float[Tensor, "*batch n n"], squarings: int = 12
) -> Float[Tensor, "*batch n"]:
    """Of a symmetric, positive matrix: unit length, either sign; by ``squarings`` squarings."""
    power = matrix
    for _ in range(squarings):
        power = power / (power.abs().amax((-1, -2), keepdim=True) + _EPS)
        power = power @ power
    # All columns are multiples of the vector; the longest one is the most exact.
    longest = power.square().sum(-2).argmax(-1)
    column = power.gather(-1, longest[..., None, None].expand(*power.shape[:-1], 1))[..., 0]
    return torch.nn.functional.normalize(column, dim=-1, eps=_EPS)


def least_eigenvector(
    matrix: Float[Tensor, "*batch n n"], squarings: int = 6
) -> tuple[Float[Tensor, "*batch n"], Float[Tensor, "*batch 2"]]:
    """Of a symmetric, positive matrix: unit length, either sign; and how small the eigenvalues are.

    Works best in float64. The two numbers are the least eigenvalue, and 1 over the sum of 1 over
    each of the others. Eigenvalues below a billionth of the trace count as that. More
    ``squarings`` of the inverse tell the least eigenvalue from others that are near to it.
    """
    trace = matrix.diagonal(dim1=-1, dim2=-2).sum(-1)[..., None, None]
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    lifted = matrix / (trace + _EPS) + 1e-9 * identity
    inverse = torch.linalg.inv_ex(lifted).inverse
    vector = top_eigenvector(inverse, squarings)
    top = torch.einsum("...i,...ij,...j->...", vector, inverse, vector)
    rest = inverse.diagonal(dim1=-1, dim2=-2).sum(-1) - top
    values = 1 / torch.stack([top, rest], -1).clamp(min=1e-3)
    return vector, values * (trace[..., 0] + _EPS)


def orthonormalise(
    matrix: Float[Tensor, "*batch 3 3"], iterations: int = 6
) -> Float[Tensor, "*batch 3 3"]:
    """The rotation nearest to a matrix that is nearly one, by Newton and Schulz's iteration.

    Unlike :func:`glance3d.geometry.rotations.nearest_rotation` it needs no singular values, and a
    matrix that is far from a rotation does not converge. Source: N. J. Higham, Functions of
    Matrices, 2008, section 8.3.
    """
    for _ in range(iterations):
        matrix = 1.5 * matrix - 0.5 * matrix @ (matrix.transpose(-1, -2) @ matrix)
    return matrix


def decompose_essential(
    essential: Float[Tensor, "*batch 3 3"],
) -> tuple[Float[Tensor, "*batch 2 3 3"], Float[Tensor, "*batch 3"], Float[Tensor, "*batch 1"]]:
    """Both rotations and the direction (of either sign) of ``E = [t]x R`` (Horn 1990).

    Last, how uneven the two singular values are, 0 to 1: 0 for a true essential matrix.
    """
    square = essential @ essential.transpose(-1, -2)
    trace = square.diagonal(dim1=-1, dim2=-2).sum(-1)[..., None, None] + _EPS
    essential, square = essential * (2 / trace).sqrt(), square * (2 / trace)
    # The singular values are now about 1, 1 and 0.
    minors = 2 - 0.5 * (square * square).sum((-1, -2))
    product = minors.clamp(0, 1)[..., None].sqrt()
    uneven = ((1 - product) / (1 + product + _EPS)).sqrt()
    columns = essential.unbind(-1)
    crosses = torch.stack(
        [torch.linalg.cross(columns[i], columns[(i + 1) % 3]) for i in range(3)], -2
    )
    longest = crosses.square().sum(-1).argmax(-1)
    direction = crosses.gather(-2, longest[..., None, None].expand(*crosses.shape[:-2], 1, 3))
    direction = torch.nn.functional.normalize(direction[..., 0, :], dim=-1, eps=_EPS)
    rows = essential.unbind(-2)
    cofactors = torch.stack(
        [torch.linalg.cross(rows[(i + 1) % 3], rows[(i + 2) % 3]) for i in range(3)], -2
    )
    turned = torch.linalg.cross(direction[..., None, :], essential.transpose(-1, -2))
    turned = turned.transpose(-1, -2)
    rotations = torch.stack([cofactors - turned, cofactors + turned], -3)
    size = rotations.square().sum((-1, -2), keepdim=True).sqrt() + _EPS
    return orthonormalise(rotations * (3**0.5 / size)), direction, uneven


def wahba_rotation(
    weighted: Float[Tensor, "*batch 3 3"],
) -> Float[Tensor, "*batch 4"]:
    """Quaternion x y z w of the rotation R with the largest ``sum(R * weighted)`` (Horn 1987).

    ``weighted`` is the sum of ``w b a^T`` for R to turn rays a into rays b, its trace norm at
    most 1.
    """
    m = weighted.flatten(-2).unbind(-1)
    trace = m[0] + m[4] + m[8]
    vector = [m[7] - m[5], m[2] - m[6], m[3] - m[1]]
    symmetric = [
        [2 * m[0] - trace, m[1] + m[3], m[2] + m[6], vector[0]],
        [m[1] + m[3], 2 * m[4] - trace, m[5] + m[7], vector[1]],
        [m[2] + m[6], m[5] + m[7], 2 * m[8] - trace, vector[2]],
        [*vector, trace],
    ]
    matrix = torch.stack([torch.stack(row, -1) for row in symmetric], -2)
    identity = torch.eye(4, dtype=matrix.dtype, device=matrix.device)
    quat = top_eigenvector(matrix + identity, squarings=14)
    return torch.where(quat[..., 3:] < 0, -quat, quat)
