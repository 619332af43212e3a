"""Which windows far apart may see one place: those whose photos are alike."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from scipy.sparse.csgraph import shortest_path
from torch import Tensor

from glance3d.windows.loops.sizes import MAX_PER_WINDOW, views_of_end

#: Windows so many edges apart share what is between them; a loop would say little new.
_NEAR = 3
#: Candidates are at least as alike as all but this share of views are to the view that, in their
#: own windows, is most like them.
_UNLIKE_SHARE = 0.1


@dataclass(frozen=True)
class LoopCandidate:
    """Two windows, some views of each, the most alike first, and how alike these are."""

    first: int
    second: int
    first_views: tuple[int, ...]
    second_views: tuple[int, ...]
    likeness: float


def loop_candidates(
    windows: Sequence[tuple[int, ...]],
    likeness: Float[Tensor, "views views"],
    edges: Sequence[tuple[int, int]],
) -> list[LoopCandidate]:
    """The most alike first; none where windows are too small to show some views of two at once."""
    size = views_of_end([len(views) for views in windows])
    if not size:
        return []
    likeness = likeness.double().cpu()
    least = _usual_likeness(windows, likeness)
    far = _far_apart(len(windows), edges)
    scored = []
    for first, second in zip(*np.nonzero(np.triu(far)), strict=True):
        between = likeness[list(windows[first])][:, list(windows[second])]
        if float(between.max()) >= least:
            scored.append((float(between.max()), int(first), int(second)))
    taken = [0] * len(windows)
    chosen = []
    for _, first, second in sorted(scored, key=lambda one: (-one[0], one[1:])):
        if max(taken[first], taken[second]) < MAX_PER_WINDOW:
            taken[first] += 1
            taken[second] += 1
            chosen.append(_candidate(windows, likeness, first, second, size))
    return chosen


def _candidate(
    windows: Sequence[tuple[int, ...]],
    likeness: Float[Tensor, "views views"],
    first: int,
    second: int,
    size: int,
) -> LoopCandidate:
    between = likeness[list(windows[first])][:, list(windows[second])]

    def end(index: int, most: Float[Tensor, " places"]) -> tuple[int, ...]:
        places = most.argsort(descending=True, stable=True)[:size].tolist()
        return tuple(windows[index][place] for place in places)

    ends = end(first, between.amax(1)), end(second, between.amax(0))
    return LoopCandidate(first, second, *ends, float(between.max()))


def _usual_likeness(
    windows: Sequence[tuple[int, ...]], likeness: Float[Tensor, "views views"]
) -> float:
    """What nearly every view reaches with some other view of its own window."""
    best = []
    for views in windows:
        within = likeness[list(views)][:, list(views)].clone()
        within.fill_diagonal_(-torch.inf)
        best.append(within.amax(1))
    return float(torch.cat(best).quantile(_UNLIKE_SHARE))


def _far_apart(num_windows: int, edges: Sequence[tuple[int, int]]) -> np.ndarray:
    """Which windows lie more than ``_NEAR`` edges apart, or in different components."""
    first, second = np.array(edges, dtype=int).reshape(-1, 2).T
    graph = sparse.coo_matrix((np.ones(len(edges)), (first, second)), (num_windows,) * 2)
    return shortest_path(graph.tocsr(), directed=False, unweighted=True) > _NEAR
