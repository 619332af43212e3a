"""Translation averaging: from directions between pairs of views to a position for each.

Positions follow from directions whose lengths are computed in turn with the positions and are kept
from vanishing (as in LUD, Ozyesil and Singer 2015). That answer has a size, but is biased; from
there positions are moved to where directions fit best, by their angles (as in BATA, Zhuang et al.
2018). Nothing here waits for a device.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from glance3d.multiview.averaging.pair_matrix import pair_matrix, weight_matrix
from glance3d.multiview.equations.pair_solver import (
    MOST_DENSE_VIEWS,
    PairEquations,
    PairSolver,
)
from glance3d.multiview.matches import ViewPairMatches
from glance3d.multiview.options import AveragingOptions


def translation_averaging(
    pairs: ViewPairMatches,
    towards: Float[Tensor, "batch pairs 3"],
    trust: Float[Tensor, "batch pairs"],
    num_views: int,
    options: AveragingOptions,
) -> Float[Tensor, "batch views 3"]:
    """Camera centres, the first at zero, in units of the shortest distance between trusted views.

    ``towards`` are unit vectors from each pair's second centre to its first, in the world.
    Minimises ``sum trust |c_v - c_w - length * towards|^2`` with lengths of at least one, so that
    the answer has a size of its own and does not collapse.

    Source: O. Ozyesil and A. Singer, Robust camera location estimation by convex programming, 2015.
    """
    weights = weight_matrix(pairs, trust, num_views, options)
    # The normal equations are the graph's Laplacian, without the row of the first view.
    laplacian = torch.diag_embed(weights.sum(-1)) - weights
    inner = laplacian[:, 1:, 1:]
    inner = inner + 1e-9 * torch.eye(inner.shape[-1], dtype=inner.dtype, device=inner.device)
    factor = torch.linalg.cholesky_ex(inner).L
    lengths = torch.ones_like(trust)
    centers = towards.new_zeros(len(trust), num_views, 3)
    for _ in range(options.translation_rounds):
        pull = (trust * lengths)[..., None] * towards
        right = pair_matrix(pairs, pull, -pull, num_views).sum(2)
        centers = F.pad(torch.cholesky_solve(right[:, 1:], factor), (0, 0, 1, 0))
        # The best length for these centres, but at least one.
        baseline = pairs.of_first(centers) - pairs.of_second(centers)
        lengths = (baseline * towards).sum(-1).clamp(min=1.0)
    return centers


def fit_directions(
    pairs: ViewPairMatches,
    towards: Float[Tensor, "batch pairs 3"],
    trust: Float[Tensor, "batch pairs"],
    centers: Float[Tensor, "batch views 3"],
    options: AveragingOptions,
) -> Float[Tensor, "batch views 3"]:
    """Camera centres whose directions fit better, the first at zero; about one unit apart.

    With ``b = c_v - c_w`` of a pair, ``d = towards`` and ``l = |b|`` it minimises ``sum trust
    (|b - (b d) d|^2 + keep (b d - l0)^2) / l^2``: the sine of each angle, and weakly the lengths
    ``l0`` that the pairs begin with, since in a chain of views nothing else says how long they
    are. Reweighted by Cauchy's weights on the angle.

    Source: B. Zhuang et al., Baseline desensitizing in translation averaging, CVPR 2018.
    """
    num_views = centers.shape[1]
    identity = torch.eye(3, dtype=towards.dtype, device=towards.device)
    along = towards[..., :, None] * towards[..., None, :]
    trust = trust / (trust.amax(-1, keepdim=True) + 1e-30)
    centers = _of_unit_size(centers)
    kept = _not_too_short((_baseline(pairs, centers) * towards).sum(-1).clamp(min=0), 0.1)
    solver = PairSolver(pairs, num_views, 3) if num_views > MOST_DENSE_VIEWS else None
    for width in options.direction_widths:
        baseline = _baseline(pairs, centers)
        across = torch.linalg.cross(baseline, towards).norm(dim=-1)
        angle = torch.atan2(across, (baseline * towards).sum(-1))
        length = _not_too_short(baseline.norm(dim=-1), 0.05)
        weight = trust / (1 + (angle / width) ** 2) / length**2
        # The normal equations: a Laplacian whose entries are 3 x 3 blocks.
        blocks = weight[..., None, None] * (identity - (1 - options.keep_lengths) * along)
        pull = (options.keep_lengths * weight * kept)[..., None] * towards
        if solver is None:
            right = pair_matrix(pairs, pull, -pull, num_views).sum(2)
            solved = _solve_laplacian(pair_matrix(pairs, blocks, blocks, num_views), right)
        else:
            solved = solver.solve(_laplacian_by_pairs(pairs, blocks, pull, num_views))[..., 0]
        centers = _of_unit_size(solved)
    return centers


def _baseline(
    pairs: ViewPairMatches, centers: Float[Tensor, "batch views 3"]
) -> Float[Tensor, "batch pairs 3"]:
    return pairs.of_first(centers) - pairs.of_second(centers)


def _of_unit_size(centers: Float[Tensor, "batch views 3"]) -> Float[Tensor, "batch views 3"]:
    return centers / (centers.norm(dim=-1).mean(-1)[:, None, None] + 1e-30)


def _not_too_short(
    lengths: Float[Tensor, "batch pairs"], share: float
) -> Float[Tensor, "batch pairs"]:
    """At least this share of the median."""
    return torch.maximum(lengths, share * lengths.median(-1, keepdim=True).values).clamp(min=1e-9)


def _solve_laplacian(
    blocks: Float[Tensor, "batch views views 3 3"], right: Float[Tensor, "batch views 3"]
) -> Float[Tensor, "batch views 3"]:
    """Of symmetric weights between views, with the first view held at zero."""
    views = blocks.shape[1]
    own = torch.eye(views, dtype=blocks.dtype, device=blocks.device)[:, :, None, None]
    laplacian = own * blocks.sum(2)[:, :, None] - blocks
    matrix = laplacian.permute(0, 1, 3, 2, 4).reshape(len(blocks), 3 * views, 3 * views)[:, 3:, 3:]
    # What hangs on nothing stays near the first view.
    amount = _least_pull(matrix.diagonal(dim1=-1, dim2=-2).mean(-1))
    matrix = matrix + amount[:, None, None] * torch.eye(
        3 * views - 3, dtype=matrix.dtype, device=matrix.device
    )
    solved = torch.linalg.solve_ex(matrix, right[:, 1:].flatten(1)[..., None]).result[..., 0]
    return F.pad(torch.nan_to_num(solved).unflatten(1, (views - 1, 3)), (0, 0, 1, 0))


def _laplacian_by_pairs(
    pairs: ViewPairMatches,
    blocks: Float[Tensor, "batch pairs 3 3"],
    pull: Float[Tensor, "batch pairs 3"],
    num_views: int,
) -> PairEquations:
    """The equations of :func:`_solve_laplacian`, where a pair pulls its views apart by ``pull``."""
    of_views = blocks.new_zeros(len(blocks), num_views, 3, 3)
    right = blocks.new_zeros(len(blocks), num_views, 3)
    scene = pairs.scene.expand_as(pairs.first)
    for view, pulled in ((pairs.first, pull), (pairs.second, -pull)):
        of_views.index_put_((scene, view), blocks, accumulate=True)
        right.index_put_((scene, view), pulled, accumulate=True)
    diagonal = of_views.diagonal(dim1=-1, dim2=-2)
    # What hangs on nothing stays near the first view.
    diagonal += _least_pull(diagonal[:, 1:].mean((1, 2)))[:, None, None]
    return PairEquations(of_views, -blocks, right[..., None]).with_first_view_held(pairs)


def _least_pull(mean_diagonal: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """Of every view towards the first one, against what the pairs pull by."""
    return 1e-9 * mean_diagonal + 1e-30
