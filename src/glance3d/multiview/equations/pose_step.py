"""A step of all poses and a focal length, from what the matches of every pair say.

A pair's matrix is of 13 numbers: rotations of both views (3 + 3), moves of both (3 + 3), and the
focal length. The first view of a scene neither rotates nor moves.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.multiview.equations.pair_solver import PairEquations, PairSolver
from glance3d.multiview.matches import ViewPairMatches

#: Numbers that a pair's residuals depend on: rotations and moves of both views, the focal length.
PER_PAIR = 3 + 3 + 3 + 3 + 1
#: Which of them are the first view's, and the second's: a rotation, then a move.
_OF_FIRST, _OF_SECOND, _FOCAL = (0, 1, 2, 6, 7, 8), (3, 4, 5, 9, 10, 11), 12
_LEAST_DAMPING = 1e-8


class PoseEquations(NamedTuple):
    """The normal equations, pair by pair, in float64.

    ``focal_normal`` and ``focal_right`` are what the focal length's prior adds. ``damping`` is
    Marquardt's, by the diagonal: radians, lengths and logarithms have other scales.
    """

    of_pairs: Float[Tensor, "batch pairs 13 13"]
    right_of_pairs: Float[Tensor, "batch pairs 13"]
    focal_normal: Float[Tensor, " batch"]
    focal_right: Float[Tensor, " batch"]
    damping: Float[Tensor, " batch"]


def solve_whole(
    pairs: ViewPairMatches, num_views: int, equations: PoseEquations
) -> Float[Tensor, "batch numbers"]:
    """Rotations of all views, moves of all views, and the focal length, by one matrix."""
    normal, right = _gather_pairs(pairs, num_views, equations)
    normal[:, -1, -1] += equations.focal_normal
    right[:, -1] += equations.focal_right
    diagonal = normal.diagonal(dim1=-1, dim2=-2)
    normal = normal + torch.diag_embed(equations.damping[:, None] * diagonal + _LEAST_DAMPING)
    normal, right = _hold_first_view(normal, right)
    return torch.linalg.solve_ex(normal, right[..., None]).result[..., 0]


def solve_by_pairs(
    pairs: ViewPairMatches, solver: PairSolver, equations: PoseEquations
) -> Float[Tensor, "batch numbers"]:
    """As :func:`solve_whole`, in time that grows with the pairs.

    With the views' unknowns x, their matrix A, and the focal length's f, c of its own and b beside
    them, ``A x + b f = r`` and ``b x + c f = g``: so ``f = (g - b A^-1 r) / (c - b A^-1 b)``.
    """
    views, lasting = _gather_blocks(pairs, solver.num_views, equations)
    views = views.with_first_view_held(pairs)
    solved = solver.solve(views)
    border = views.right[..., 1].flatten(1)
    of_right, of_border = (solved[..., column].flatten(1) for column in (0, 1))
    own, right = lasting
    focal = (right - (border * of_right).sum(-1)) / (own - (border * of_border).sum(-1))
    step = (of_right - focal[:, None] * of_border).unflatten(1, (-1, 6))
    rotations, moves = (part.flatten(1) for part in step.split(3, -1))
    return torch.cat([rotations, moves, focal[:, None]], -1)


def _gather_blocks(
    pairs: ViewPairMatches, num_views: int, equations: PoseEquations
) -> tuple[PairEquations, tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]]:
    """The views' blocks, damped, with the right side and the border as columns; then c and g."""
    matrix, right_of_pairs = equations.of_pairs, equations.right_of_pairs
    batch, device = len(matrix), matrix.device
    first, second = (torch.tensor(each, device=device) for each in (_OF_FIRST, _OF_SECOND))
    of_views = matrix.new_zeros(batch, num_views, 6, 6)
    right = matrix.new_zeros(batch, num_views, 6, 2)
    scene = pairs.scene.expand_as(pairs.first)
    for own, view in ((first, pairs.first), (second, pairs.second)):
        block = matrix[..., own[:, None], own]
        of_views.index_put_((scene, view), block, accumulate=True)
        columns = torch.stack([right_of_pairs[..., own], matrix[..., own, _FOCAL]], -1)
        right.index_put_((scene, view), columns, accumulate=True)
    diagonal = of_views.diagonal(dim1=-1, dim2=-2)
    diagonal += equations.damping[:, None, None] * diagonal + _LEAST_DAMPING
    blocks = PairEquations(of_views, matrix[..., first[:, None], second], right)
    focal = matrix[..., _FOCAL, _FOCAL].sum(-1) + equations.focal_normal
    focal = focal + equations.damping * focal + _LEAST_DAMPING
    return blocks, (focal, right_of_pairs[..., _FOCAL].sum(-1) + equations.focal_right)


def _gather_pairs(
    pairs: ViewPairMatches, num_views: int, equations: PoseEquations
) -> tuple[Float[Tensor, "batch numbers numbers"], Float[Tensor, "batch numbers"]]:
    """The sums over pairs, at the rows and columns of their views."""
    batch, numbers = len(pairs.first), 6 * num_views + 1
    index = _numbers_of_pairs(pairs, num_views)
    # Element [i, j] of a pair's 13 x 13 matrix goes to row index[i], column index[j].
    cells = (index[..., :, None] * numbers + index[..., None, :]).flatten(1)
    normal = equations.of_pairs.new_zeros(batch, numbers * numbers)
    normal.scatter_add_(1, cells, equations.of_pairs.flatten(1))
    right = equations.of_pairs.new_zeros(batch, numbers)
    right.scatter_add_(1, index.flatten(1), equations.right_of_pairs.flatten(1))
    return normal.unflatten(1, (numbers, numbers)), right


def _numbers_of_pairs(pairs: ViewPairMatches, views: int) -> Int[Tensor, "batch pairs 13"]:
    """Which of all numbers a pair's are: first rotations, then moves, last the focal length."""
    axes = torch.arange(3, device=pairs.first.device)
    first, second = (3 * view[..., None] + axes for view in (pairs.first, pairs.second))
    last = torch.full_like(first[..., :1], 6 * views)
    return torch.cat([first, second, 3 * views + first, 3 * views + second, last], -1)


def _hold_first_view(
    normal: Float[Tensor, "batch numbers numbers"], right: Float[Tensor, "batch numbers"]
) -> tuple[Float[Tensor, "batch numbers numbers"], Float[Tensor, "batch numbers"]]:
    """The same equations, for a first view that neither rotates nor moves."""
    views = normal.shape[-1] // 6
    # Its rows and columns become those of the identity, its right side zero.
    free = torch.ones_like(right)
    free[:, :3] = 0
    free[:, 3 * views : 3 * views + 3] = 0
    normal = normal * free[:, :, None] * free[:, None] + torch.diag_embed(1 - free)
    return normal, right * free
