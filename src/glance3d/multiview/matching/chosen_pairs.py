"""Matches of chosen pairs of many views, so that time grows with the views and not their square.

Views that are alike as whole photos are candidates (:mod:`glance3d.retrieval`). Which of them look
alike shows in every second row and column of their cells, at a sixteenth of the cost; only the
pairs that look most alike are then matched in full.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.multiview.matches import ChosenPairs, Descriptors, SoftMatches, cell_centers
from glance3d.multiview.matching.soft_matches import (
    SCORES_AT_A_TIME,
    find_matches,
    windowed_soft_argmax,
)
from glance3d.nn.precision import autocast
from glance3d.retrieval import photo_likeness, pool_tokens

SCORES_IN_CACHE = 2**21
#: Pairs that are compared cell by cell, for each view; of fewer views all are.
CANDIDATES_PER_VIEW = 40
_EVERY = 2  # row and column of cells, for the likeness of views


@torch.no_grad()
def view_likeness(described: Descriptors) -> Float[Tensor, "batch views views"]:
    """The mean probability that a cell of one view is seen in the other and matches back.

    Zero for views that are no candidates of each other.
    """
    coarse = _coarse(described)
    if not _has_many_views(described):
        return _symmetric_likeness(coarse)
    pairs = choose_pairs(_photo_likeness(coarse), CANDIDATES_PER_VIEW)
    return pairs.as_square(_likeness_of_pairs(coarse, pairs), described.descriptors.shape[1])


@torch.no_grad()
def cross_likeness(
    described: Descriptors, others: Descriptors
) -> Float[Tensor, "batch views views"]:
    """As :func:`view_likeness`, of views described in one way with views described in another.

    The mean of both directions, so that it is symmetric.
    """
    coarse, other = _coarse(described), _coarse(others)
    both = coarse._replace(descriptors=torch.cat([coarse.descriptors, other.descriptors], 1))
    views = coarse.descriptors.shape[1]
    if not _has_many_views(described):
        crossed = _symmetric_likeness(both)[:, :views, views:]
        return (crossed + crossed.mT) / 2
    alike = _photo_likeness(both)[:, :views, views:]
    pairs = choose_pairs((alike + alike.mT) / 2, CANDIDATES_PER_VIEW)
    either = (pairs, ChosenPairs(pairs.second, pairs.first))
    crossed = [
        _likeness_of_pairs(both, each._replace(second=views + each.second)) for each in either
    ]
    return pairs.as_square((crossed[0] + crossed[1]) / 2, views)


def _has_many_views(described: Descriptors) -> bool:
    views = described.descriptors.shape[1]
    return views * CANDIDATES_PER_VIEW < views * (views - 1) // 2


def _photo_likeness(described: Descriptors) -> Float[Tensor, "batch views views"]:
    """Of whole photos, by their cells; the host of a GPU waits for it."""
    scenes = described.descriptors
    every_cell = torch.ones_like(scenes[0, ..., 0])
    return torch.stack([photo_likeness(pool_tokens(cells, every_cell)) for cells in scenes])


def _likeness_of_pairs(coarse: Descriptors, pairs: ChosenPairs) -> Float[Tensor, "batch 2 pairs"]:
    """The mean of both directions, twice."""
    matches = match_pairs(coarse, pairs, radius=1)
    likeness = (matches.window_probability * matches.mutual).mean(-1)
    return likeness.mean(1, keepdim=True).expand_as(likeness)


def _coarse(described: Descriptors) -> Descriptors:
    cells = described.descriptors.unflatten(2, described.grid)[:, :, ::_EVERY, ::_EVERY]
    grid = (cells.shape[2], cells.shape[3])
    return described._replace(descriptors=cells.flatten(2, 3), grid=grid)


def _symmetric_likeness(coarse: Descriptors) -> Float[Tensor, "batch views views"]:
    matches = find_matches(*coarse, radius=1)
    likeness = (matches.window_probability * matches.mutual).mean(-1)
    return (likeness + likeness.mT) / 2


def choose_pairs(likeness: Float[Tensor, "batch views views"], pairs_per_view: int) -> ChosenPairs:
    """So many pairs for each view: every view's most alike ones are among them."""
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
    return ChosenPairs(first[kept], second[kept])


@torch.no_grad()
def match_pairs(
    described: Descriptors, pairs: ChosenPairs, radius: int = 2, best: int | None = None
) -> SoftMatches:
    """As :func:`find_matches`, of these pairs only: ``[b, 0, p]`` are cells of the first view.

    And ``[b, 1, p]`` are those of the second view; of each at most the ``best`` surest.
    """
    batch, _, cells = described.descriptors.shape[:3]
    at_a_time = max(1, scores_at_a_time(described.descriptors.device) // (batch * cells**2))
    with autocast(described.descriptors, enabled=False):
        parts = [
            _match_some(described, ChosenPairs(*some), radius).best(best or cells)
            for some in zip(*(part.split(at_a_time, 1) for part in pairs), strict=True)
        ]
    return SoftMatches(*(torch.cat(part, 2) for part in zip(*parts, strict=True)))


def _match_some(described: Descriptors, pairs: ChosenPairs, radius: int) -> SoftMatches:
    descriptors, grid = described.descriptors.float(), described.grid
    scene = torch.arange(len(descriptors), device=descriptors.device)[:, None]
    x, y = (descriptors[scene, views] for views in pairs)
    scores = (described.inverse_temperature * x) @ y.mT
    # Dimension -1 are the cells of the second view: of both sides the best there, then here.
    tops, bests = zip(scores.max(-1), scores.max(-2), strict=True)
    windows = [
        windowed_soft_argmax(each, best, grid, radius)
        for each, best in zip((scores, scores.mT), bests, strict=True)
    ]
    # A cosine is at most 1, so no score is above the inverse temperature.
    scores = scores.sub_(described.inverse_temperature).exp_()
    totals = [
        torch.logaddexp(
            scores.sum(dim).log() + described.inverse_temperature, described.dustbin_score
        )
        for dim in (-1, -2)
    ]
    probability = [(mass - total).exp() for (_, mass), total in zip(windows, totals, strict=True)]
    mutual = [(tops[side] - totals[1 - side].gather(-1, bests[side])).exp() for side in (0, 1)]
    target_xy = torch.stack([places for places, _ in windows], 1)
    source_xy = cell_centers(grid, descriptors.device).expand_as(target_xy)
    return SoftMatches(source_xy, target_xy, torch.stack(probability, 1), torch.stack(mutual, 1))


def scores_at_a_time(device: torch.device) -> int:
    """Of how many cells with how many: what a processor's cache holds, or a GPU's memory."""
    return SCORES_IN_CACHE if device.type == "cpu" else SCORES_AT_A_TIME
