"""Matches of chosen pairs of many views, so that time grows with the views and not their square.

Which views look alike shows in every second row and column of their cells, at a sixteenth of the
cost; only the pairs that look most alike are then matched in full.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.multiview.matches import (
    SCORES_AT_A_TIME,
    Descriptors,
    SoftMatches,
    cell_centers,
    find_matches,
    windowed_soft_argmax,
)

_EVERY = 2  # row and column of cells, for the likeness of views


@torch.no_grad()
def view_likeness(described: Descriptors) -> Float[Tensor, "batch views views"]:
    """The mean probability that a cell of one view is seen in the other and matches back."""
    return _symmetric_likeness(_coarse(described))


@torch.no_grad()
def cross_likeness(
    described: Descriptors, others: Descriptors
) -> Float[Tensor, "batch views views"]:
    """As :func:`view_likeness`, of views described in one way with views described in another.

    The mean of both directions, so that it is symmetric.
    """
    coarse, other = _coarse(described), _coarse(others)
    both = torch.cat([coarse.descriptors, other.descriptors], 1)
    views = coarse.descriptors.shape[1]
    crossed = _symmetric_likeness(coarse._replace(descriptors=both))[:, :views, views:]
    return (crossed + crossed.mT) / 2


def _coarse(described: Descriptors) -> Descriptors:
    cells = described.descriptors.unflatten(2, described.grid)[:, :, ::_EVERY, ::_EVERY]
    grid = (cells.shape[2], cells.shape[3])
    return described._replace(descriptors=cells.flatten(2, 3), grid=grid)


def _symmetric_likeness(coarse: Descriptors) -> Float[Tensor, "batch views views"]:
    matches = find_matches(*coarse, radius=1)
    likeness = (matches.window_probability * matches.mutual).mean(-1)
    return (likeness + likeness.mT) / 2


def choose_pairs(
    likeness: Float[Tensor, "batch views views"], pairs_per_view: int
) -> tuple[Int[Tensor, "batch pairs"], Int[Tensor, "batch pairs"]]:
    """The views of so many pairs for each view: every view's most alike ones are among them."""
    views = likeness.shape[1]
    own = torch.eye(views, dtype=torch.bool, device=likeness.device)
    others = likeness.masked_fill(own, -torch.inf)
    # rank[b, v, w]: how many views are more like v than w is.
    rank = others.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
    rank = torch.minimum(rank, rank.mT).float()
    first, second = torch.triu_indices(views, views, 1, device=likeness.device)
    # Likeness, between 0 and 1, decides between pairs of one rank.
    order = (rank - likeness.clamp(0, 1) / 2)[:, first, second]
    kept = order.topk(min(pairs_per_view * views, len(first)), -1, largest=False).indices
    return first[kept], second[kept]


@torch.no_grad()
def match_pairs(
    described: Descriptors,
    first: Int[Tensor, "batch pairs"],
    second: Int[Tensor, "batch pairs"],
    radius: int = 2,
) -> SoftMatches:
    """As :func:`find_matches`, of these pairs only: ``[b, 0, p]`` are cells of the first view.

    And ``[b, 1, p]`` are those of the second view.
    """
    descriptors, grid = described.descriptors.float(), described.grid
    batch, _, cells = descriptors.shape[:3]
    scene = torch.arange(batch, device=first.device)[:, None]
    target_xy = descriptors.new_empty((batch, 2, first.shape[1], cells, 2))
    probability, mutual = torch.empty_like(target_xy[..., 0]), torch.empty_like(target_xy[..., 0])
    step = max(1, SCORES_AT_A_TIME // (batch * cells**2))
    with torch.autocast(descriptors.device.type, enabled=False):
        for start in range(0, first.shape[1], step):
            part = slice(start, start + step)
            x, y = (descriptors[scene, views[:, part]] for views in (first, second))
            scores = described.inverse_temperature * (x @ y.mT)
            both = (scores, scores.mT)
            totals = [torch.logaddexp(each.logsumexp(-1), described.dustbin_score) for each in both]
            for side, each in enumerate(both):
                top, best = each.max(-1)
                target_xy[:, side, part], log_mass = windowed_soft_argmax(each, best, grid, radius)
                probability[:, side, part] = (log_mass - totals[side]).exp()
                mutual[:, side, part] = (top - totals[1 - side].gather(-1, best)).exp()
    source_xy = cell_centers(grid, descriptors.device).expand_as(target_xy)
    return SoftMatches(source_xy, target_xy, probability, mutual)


def as_square(
    of_pairs: Float[Tensor, "batch 2 pairs *shape"],
    first: Int[Tensor, "batch pairs"],
    second: Int[Tensor, "batch pairs"],
    num_views: int,
) -> Float[Tensor, "batch views views *shape"]:
    """What belongs to pairs at [first, second] and [second, first]; zero for all other pairs."""
    batch, _, _, *shape = of_pairs.shape
    scene = torch.arange(batch, device=first.device)[:, None]
    square = of_pairs.new_zeros((batch, num_views, num_views, *shape))
    square[scene, first, second] = of_pairs[:, 0]
    square[scene, second, first] = of_pairs[:, 1]
    return square
