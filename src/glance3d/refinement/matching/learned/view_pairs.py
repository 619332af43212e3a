"""Which photos are worth matching: those whose cells look alike, and known neighbours."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.refinement.matching.learned.view_descriptors import ViewDescriptors
from glance3d.retrieval import choose_pairs
from glance3d.retrieval.pairs import Pair

# Every so manieth row and column is compared. Measured on rooms and objects, the 10 best of each
# view hold 0.66 of the pairs that overlap by more than a fifth, at 2 ms a pair.
_STRIDE = 2
_PAIRS_PER_VIEW = 10
#: So many views that look most alike as whole photos are compared cell by cell with each.
MOST_CANDIDATES = 60


@torch.inference_mode()
def alike_pairs(
    described: ViewDescriptors,
    whole: Float[Tensor, "views views"] | None = None,
    neighbours: list[Pair] | None = None,
    per_view: int = _PAIRS_PER_VIEW,
) -> list[Pair]:
    """Pairs (first < second) of the most alike views of each view, and ``neighbours``.

    ``whole`` is how alike whole photos are: of many views it says which are compared at all.
    """
    likeness = pair_likeness(described, _candidates(described.num_views, whole))
    return choose_pairs(likeness, per_view, also=neighbours or ())


@torch.inference_mode()
def pair_likeness(
    described: ViewDescriptors, candidates: Bool[Tensor, "views views"]
) -> Float[Tensor, "views views"]:
    """For each two views the mean probability that a cell has its match in the other; symmetric.

    Zero on the diagonal and for pairs that are no candidates.
    """
    rows = torch.arange(described.descriptors.shape[1]).unflatten(0, described.grid)
    chosen = rows[::_STRIDE, ::_STRIDE].flatten()
    cells, counts = described.descriptors[:, chosen], described.counts[:, chosen]
    likeness = torch.zeros(len(cells), len(cells))
    for view in range(len(cells)):
        others = candidates[view].nonzero().squeeze(-1)
        others = others[others > view]
        if not len(others):
            continue
        # scores[o, i, j]: cell i of this view against cell j of another.
        scores = described.sharpness * (cells[view] @ cells[others].mT)
        scores[:, ~counts[view]] = -torch.inf
        scores.transpose(1, 2)[~counts[others]] = -torch.inf
        unseen = torch.tensor(described.unseen)
        of_first = torch.logaddexp(scores.logsumexp(2), unseen)[:, :, None]
        of_second = torch.logaddexp(scores.logsumexp(1), unseen)[:, None]
        best = (2 * scores - of_first - of_second).amax(2).exp()
        likeness[view, others] = best.sum(1) / counts[view].sum().clamp(min=1)
    return likeness + likeness.T


def _candidates(
    num_views: int, whole: Float[Tensor, "views views"] | None
) -> Bool[Tensor, "views views"]:
    """All pairs, or those of the views that are most alike as whole photos."""
    own = torch.eye(num_views, dtype=torch.bool)
    if whole is None or num_views <= MOST_CANDIDATES + 1:
        return ~own
    best = whole.masked_fill(own, -torch.inf).topk(MOST_CANDIDATES, -1).indices
    near = torch.zeros(num_views, num_views, dtype=torch.bool).scatter_(1, best, True)
    return near | near.T
