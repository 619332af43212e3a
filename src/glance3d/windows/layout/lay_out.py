"""Windows of neighbours where the order of photos means something, else of photos that are alike.

Photos that have nothing in common are never put into one window: the network would make up how
they lie to each other. What is alike by chance, or connected after all, is found out later, by
passes over both (:mod:`glance3d.windows.loops`).
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.pass_options import WindowOptions
from glance3d.retrieval import spanning_tree
from glance3d.windows.layout.groups import groups_of
from glance3d.windows.layout.runs import runs_of

#: Photos are cut apart where what ties them is less alike than two photos of the set are on average
#: (whitened descriptors have no mean), and so far below all other ties: in their spreads.
_NOTHING = 0.0
_SPREADS = 6.0
_LEAST_SPREAD = 0.05
#: On either side of a place in the order, so many views are compared with each other.
_REACH = 4
#: The order means something if so many views have a neighbour among the few most alike to them.
_ORDERED_SHARE = 0.5
_FEW = 3


def lay_out(
    num_views: int,
    options: WindowOptions,
    reference: int = 0,
    likeness: Float[Tensor, "views views"] | None = None,
) -> tuple[tuple[int, ...], ...]:
    """The windows in the order in which they are joined, each as the network is shown it.

    The first window begins with the reference view; every other one of its component begins with a
    view that earlier windows hold. Without ``likeness`` (cosines of whitened descriptors:
    :func:`glance3d.retrieval.photo_likeness`) the order of photos decides, and all are taken to be
    connected. With it, photos without anything in common come into separate components, the
    reference's first.
    """
    if likeness is None or not options.divides(num_views):
        return runs_of(range(num_views), options, reference)
    likeness = likeness.double().cpu()
    ordered = order_tells(likeness)
    parts = _ordered_parts(likeness) if ordered else _alike_parts(likeness, reference)
    windows: list[tuple[int, ...]] = []
    for views in sorted(parts, key=lambda views: (reference not in views, views[0])):
        first = reference if reference in views else views[0]
        if ordered:
            windows += runs_of(views, options, first)
        else:
            windows += groups_of(views, options, first, likeness)
    return tuple(windows)


def order_tells(likeness: Float[Tensor, "views views"]) -> bool:
    """Whether neighbours in the order are mostly among the photos that are most alike."""
    num_views = len(likeness)
    values = likeness.clone().fill_diagonal_(-torch.inf)
    threshold = values.topk(min(_FEW, num_views - 1)).values[:, -1]
    next_one = values.diagonal(1)
    tells = torch.zeros(num_views, dtype=torch.bool)
    tells[:-1] |= next_one >= threshold[:-1]
    tells[1:] |= next_one >= threshold[1:]
    return float(tells.double().mean()) >= _ORDERED_SHARE


def _ordered_parts(likeness: Float[Tensor, "views views"]) -> list[list[int]]:
    """Cut where the views before have nothing in common with those after."""
    ties = [
        float(likeness[max(0, view - _REACH) : view, view : view + _REACH].max())
        for view in range(1, len(likeness))
    ]
    parts, least = [[0]], least_tie(ties)
    for view, tie in enumerate(ties, 1):
        if tie < least:
            parts.append([])
        parts[-1].append(view)
    return parts


def least_tie(ties: Sequence[float]) -> float:
    """What ties photos less than this ties nothing: an outlier below all others."""
    values = torch.tensor(ties, dtype=torch.float64)
    median = values.quantile(0.5)
    spread = 1.4826 * float((values - median).abs().quantile(0.5))  # a normal one's deviation
    return min(_NOTHING, float(median) - _SPREADS * max(spread, _LEAST_SPREAD))


def _alike_parts(likeness: Float[Tensor, "views views"], root: int) -> list[list[int]]:
    """Cut the surest tree over all views where it ties what has nothing in common."""
    part_of, tree = {root: 0}, spanning_tree(likeness, root)
    least = least_tie([value for _, _, value in tree])
    for known, new, value in tree:
        part_of[new] = part_of[known] if value >= least else max(part_of.values()) + 1
    return list(_by_part(part_of))


def _by_part(part_of: dict[int, int]) -> Iterator[list[int]]:
    for part in range(max(part_of.values()) + 1):
        yield sorted(view for view, number in part_of.items() if number == part)
