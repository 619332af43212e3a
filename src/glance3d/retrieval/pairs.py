"""The pairs of photos worth matching, as many as there are photos times a number."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.retrieval.spanning_tree import spanning_tree

Pair = tuple[int, int]


def choose_pairs(
    likeness: Float[Tensor, "views views"], per_view: int, *, also: Iterable[Pair] = ()
) -> list[Pair]:
    """Pairs (first < second), sorted: at most ``(per_view + 1) * views`` of them, and ``also``.

    The ``per_view`` most alike views of every view, and the maximum spanning tree of likeness,
    so that the pairs connect all views. ``also`` are further pairs to try, such as neighbours in
    time (:mod:`glance3d.retrieval.neighbours`).
    """
    num_views = len(likeness)
    own = torch.eye(num_views, dtype=torch.bool, device=likeness.device)
    count = max(0, min(per_view, num_views - 1))
    nearest = likeness.masked_fill(own, -torch.inf).topk(count, -1).indices.tolist()
    pairs = {ordered(view, other) for view, row in enumerate(nearest) for other in row}
    pairs |= {ordered(first, second) for first, second, _ in spanning_tree(likeness)}
    pairs |= {ordered(first, second) for first, second in also if first != second}
    return sorted(pairs)


def ordered(first: int, second: int) -> Pair:
    """The pair with the smaller number first."""
    return (first, second) if first < second else (second, first)
