"""The maximum spanning tree of likeness (Prim 1957): the surest way to every photo."""

import torch
from jaxtyping import Float
from torch import Tensor


def spanning_tree(
    likeness: Float[Tensor, "views views"], root: int = 0
) -> list[tuple[int, int, float]]:
    """From the root on: a view of the tree, the most alike one outside, and how alike they are.

    Every view but the root comes once as the second. Of equals the first view is taken.
    """
    num_views = len(likeness)
    if num_views < 2:
        return []
    values = likeness.detach().cpu().double()
    best, nearest = values[root].clone(), torch.full((num_views,), root)
    outside = torch.ones(num_views, dtype=torch.bool)
    outside[root] = False
    edges = []
    for _ in range(num_views - 1):
        new = int(torch.where(outside, best, -torch.inf).argmax())
        edges.append((int(nearest[new]), new, float(best[new])))
        outside[new] = False
        nearer = values[new] > best
        best = torch.where(nearer, values[new], best)
        nearest[nearer] = new
    return edges
