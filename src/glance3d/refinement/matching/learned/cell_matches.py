"""Cells of two photos that choose each other, as LoFTR's (Sun et al. 2021, section 3.3)."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.multiview.matching.soft_matches import windowed_soft_argmax
from glance3d.refinement.matching.learned.view_descriptors import ViewDescriptors

_WINDOW = 2  # cells to each side of the best one, whose mean is finer than a cell


class CellMatches(NamedTuple):
    """Cells of a first and a second view, the surest first, and where each is in the other view.

    ``in_second`` is the place of ``first`` on the second view's grid, the first cell's centre at 0;
    ``in_first`` likewise.
    """

    first: Int[Tensor, " matches"]
    second: Int[Tensor, " matches"]
    in_second: Float[Tensor, "matches 2"]
    in_first: Float[Tensor, "matches 2"]


@torch.inference_mode()
def match_cells(
    described: ViewDescriptors, first: int, second: int, min_confidence: float, most: int
) -> CellMatches:
    """At most so many mutual best cells; confidence is the probability of both directions."""
    of_first, of_second = described.descriptors[first], described.descriptors[second]
    scores = described.sharpness * (of_first @ of_second.T)
    scores[~described.counts[first]] = -torch.inf
    scores[:, ~described.counts[second]] = -torch.inf
    unseen = torch.tensor(described.unseen)
    # The logarithms of both softmaxes' denominators, with one more entry for not being seen.
    log_rows = torch.logaddexp(scores.logsumexp(1), unseen)
    log_columns = torch.logaddexp(scores.logsumexp(0), unseen)
    best, cells = scores.argmax(1), torch.arange(len(scores))
    mutual = (scores.argmax(0)[best] == cells) & described.counts[first]
    i, j = cells[mutual], best[mutual]
    in_second, mass_second = windowed_soft_argmax(scores[i], j, described.grid, _WINDOW)
    in_first, mass_first = windowed_soft_argmax(scores.T[j], i, described.grid, _WINDOW)
    confidence = (mass_second - log_rows[i] + mass_first - log_columns[j]).exp()
    order = confidence.argsort(descending=True, stable=True)
    order = order[confidence[order] > min_confidence][:most]
    return CellMatches(i[order], j[order], in_second[order], in_first[order])
