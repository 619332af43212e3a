"""Which photos are worth matching: those whose cells look alike, and neighbours in order."""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.refinement.matching.learned.view_descriptors import ViewDescriptors

# Every so manieth row and column is compared. Measured on rooms and objects, the 10 best of each
# view hold 0.66 of the pairs that overlap by more than a fifth, at 2 ms a pair.
_STRIDE = 2
_PAIRS_PER_VIEW = 10
_NEIGHBOURS = 2
# Views whose mean descriptors are closest; the others are not looked at.
_MOST_CANDIDATES = 60


@torch.inference_mode()
def choose_pairs(
    described: ViewDescriptors, per_view: int = _PAIRS_PER_VIEW
) -> list[tuple[int, int]]:
    """Pairs (first < second) of the most alike views of each view and its neighbours in order."""
    likeness, num_views = pair_likeness(described), described.num_views
    pairs = set()
    best = likeness.topk(min(per_view, num_views - 1), -1)
    for view in range(num_views):
        alike = best.indices[view][best.values[view] > 0].tolist()
        neighbours = range(view + 1, min(view + 1 + _NEIGHBOURS, num_views))
        pairs |= {(min(view, other), max(view, other)) for other in (*alike, *neighbours)}
    return sorted(pairs)


@torch.inference_mode()
def pair_likeness(described: ViewDescriptors) -> Float[Tensor, "views views"]:
    """For each two views the mean probability that a cell has its match in the other; symmetric.

    Zero on the diagonal and for pairs whose mean descriptors already say that they differ.
    """
    rows = torch.arange(described.descriptors.shape[1]).unflatten(0, described.grid)
    chosen = rows[::_STRIDE, ::_STRIDE].flatten()
    cells, counts = described.descriptors[:, chosen], described.counts[:, chosen]
    likeness = torch.zeros(len(cells), len(cells))
    candidates = _candidates(cells, counts)
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
    cells: Float[Tensor, "views cells dim"], counts: Tensor
) -> Float[Tensor, "views views"]:
    """Pairs that are compared cell by cell: of many views those with the closest mean cells."""
    weight = counts.float() / counts.sum(-1, keepdim=True).clamp(min=1)
    pooled = torch.nn.functional.normalize((cells * weight[..., None]).sum(1), dim=-1)
    near = torch.zeros(len(cells), len(cells))
    best = (pooled @ pooled.T).topk(min(_MOST_CANDIDATES + 1, len(cells)), -1).indices
    near.scatter_(1, best, 1.0)
    return torch.maximum(near, near.T).fill_diagonal_(0)
