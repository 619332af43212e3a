"""Distances to nearest neighbours, for clouds of millions of points, by torch alone."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

_LEAF = 64
_TREES = 3
_BLOCKS = 512  # at a time


def neighbour_distances(
    points: Float[Tensor, "points 3"], num_neighbours: int = 3, seed: int = 0
) -> Float[Tensor, " points"]:
    """Root mean square distance of each point to its nearest neighbours (fewer, if there are).

    Nearly exact: points are divided by medians into leaves of 64 (Bentley, "Multidimensional binary
    search trees", 1975), in which all pairs are compared; three trees in turned frames see to it
    that few points have their neighbours beyond a leaf's border each time. Points that coincide
    are neighbours at distance 0. A single point has none: 0.
    """
    count = len(points)
    wanted = min(num_neighbours, count - 1)
    if wanted < 1:
        return points.new_zeros(count)
    centered = points.double() - points.double().mean(0)
    generator = torch.Generator().manual_seed(seed)
    best = torch.full((count, wanted), torch.inf, dtype=torch.float64)
    names = torch.full((count, wanted), -1)
    for _ in range(_TREES if count > _LEAF else 1):
        turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))
        for members in _leaves(centered @ turn).split(_BLOCKS):
            _compare(centered, members, best, names)
    return best.square().mean(-1).sqrt().to(points.dtype)


def _leaves(points: Float[Tensor, "points 3"]) -> Int[Tensor, "leaves members"]:
    """Indices of neighbouring points; some points fill up leaves twice."""
    depth = max(0, (len(points) - 1).bit_length() - _LEAF.bit_length() + 1)
    size = -(-len(points) // 2**depth)
    # Repeating some keeps all leaves of one size; who meets himself is told by his index.
    filled = torch.arange(size * 2**depth) % len(points)
    blocks = filled[None]
    for _ in range(depth):
        at = points[blocks]
        axis = (at.amax(1) - at.amin(1)).argmax(-1)
        along = at.gather(2, axis[:, None, None].expand(-1, at.shape[1], 1))[..., 0]
        blocks = blocks.gather(1, along.argsort(1)).reshape(2 * len(blocks), -1)
    return blocks


def _compare(
    points: Float[Tensor, "points 3"],
    members: Int[Tensor, "leaves members"],
    best: Float[Tensor, "points wanted"],
    names: Int[Tensor, "points wanted"],
) -> None:
    """Nearer neighbours within each leaf take their places in ``best`` and ``names``."""
    at, wanted = points[members], best.shape[1]
    distance = torch.cdist(at, at, compute_mode="donot_use_mm_for_euclid_dist")
    # A point is no neighbour of its own, and one that is in the leaf twice counts once.
    same = members[:, :, None] == members[:, None, :]
    twice = same.tril(-1).any(-1)
    distance = distance.masked_fill(same | twice[:, None, :], torch.inf)
    nearest_in_leaf, index = distance.topk(min(wanted, members.shape[1]), dim=-1, largest=False)
    near_names = members[:, None, :].expand_as(distance).gather(2, index)
    rows = members.flatten()
    near = torch.cat([best[rows], nearest_in_leaf.flatten(0, 1)], -1)
    known = torch.cat([names[rows], near_names.flatten(0, 1)], -1)
    repeated = (known[:, :, None] == known[:, None, :]).tril(-1).any(-1)
    nearest, order = near.masked_fill(repeated, torch.inf).topk(wanted, -1, largest=False)
    best[rows], names[rows] = nearest, known.gather(1, order)
