"""Depth bent to where matches say it is: smoothly, and as far as their cameras deserve it.

What a network sees in one photo is shape; how far away it is, cameras that moved know better. So
the logarithm of each view's depth gets a correction, smooth over the view: at each place the mean
of what matches around it triangulate to, less what the depth map says there, by how exact each
match can be, how well its pair of views fits, and with a few imaginary ones that want no change
(Nadaraya and Watson's regression, with Cauchy weights against what is off). Where nothing is
matched, or cameras contradict matches, depth stays as it was.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.models.correspondence.matches import half_diagonal
from glance3d.models.correspondence.pair_poses import PairMatches
from glance3d.models.correspondence.triangulation import sample_at_places, triangulate

_REACH = 0.12  # deviation of the mean around a place, in half diagonals
_CELLS = 24  # places along the longer side where the correction is worked out
_UNCHANGED = 0.1  # matches that want no change, in full ones of pairs that fit wholly
_OFF = 0.5  # logarithm: a match that is so far off the others counts half
_STEPS = 3


class _Wishes(NamedTuple):
    """For each pair, from either side, where in which view depth should change, and how much."""

    view: Int[Tensor, "batch sides"]
    places: Float[Tensor, "batch sides matches 2"]
    change: Float[Tensor, "batch sides matches"]
    trust: Float[Tensor, "batch sides matches"]


@torch.no_grad()
def fit_depth_to_matches(
    pairs: PairMatches,
    pose_enc: Float[Tensor, "batch views 9"],
    depth: Float[Tensor, "batch views height width"],
) -> Float[Tensor, "batch views height width"]:
    """The same depth maps, bent; translations must have depth's unit of length."""
    with torch.autocast(depth.device.type, enabled=False):
        depth, pose_enc = depth.float(), pose_enc.float()
        height, width = size = (depth.shape[-2], depth.shape[-1])
        sides = [_wishes(side, pose_enc, depth) for side in (pairs, pairs.turned_round())]
        wishes = _Wishes(*(torch.cat(parts, 1) for parts in zip(*sides, strict=True)))
        scale = _CELLS / max(size)
        grid = max(2, round(scale * height)), max(2, round(scale * width))
        field = depth.new_zeros(*depth.shape[:2], *grid)
        for _ in range(_STEPS):
            field = _mean_wish(wishes, field, size)
        bend = F.interpolate(field, size=size, mode="bilinear", align_corners=False)
    return depth * bend.exp()


def _wishes(
    pairs: PairMatches,
    pose_enc: Float[Tensor, "batch views 9"],
    depth: Float[Tensor, "batch views height width"],
) -> _Wishes:
    """Of the first view of each pair. Trust is at most 1, for an exact match of a pair that fits."""
    size = (depth.shape[-2], depth.shape[-1])
    triangulated, trust = triangulate(pairs, pose_enc, size)
    change = (triangulated / sample_at_places(pairs.of_first(depth), pairs.own, size)).log()
    fits = (pairs.weight * trust).sum(-1)
    usual = (pairs.weight * pairs.weight.shape[-1]).clamp(max=1)  # of a match's weight
    of_pair = pairs.amount * fits**2
    return _Wishes(pairs.first, pairs.own, change, trust * usual * of_pair[..., None])


def _mean_wish(
    wishes: _Wishes, field: Float[Tensor, "batch views rows columns"], size: tuple[int, int]
) -> Float[Tensor, "batch views rows columns"]:
    """At each place of each view; wishes count less the farther ``field`` is from them."""
    scene = torch.arange(len(field), device=field.device)[:, None]
    rest = wishes.change - sample_at_places(field[scene, wishes.view], wishes.places, size)
    trust = wishes.trust / (1 + (rest / _OFF) ** 2)
    near_row, near_column = (
        _nearness(wishes.places[..., axis], cells, side / (2 * half_diagonal(size)))
        for axis, cells, side in ((1, field.shape[-2], size[0]), (0, field.shape[-1], size[1]))
    )
    cells = field.flatten(2)
    index = wishes.view[..., None].expand(-1, -1, cells.shape[-1])

    def gathered(weight: Tensor) -> Tensor:
        of_sides = (near_row * weight[..., None, :]) @ near_column.mT
        return torch.zeros_like(cells).scatter_add_(1, index, of_sides.flatten(2))

    mean = gathered(trust * wishes.change) / (gathered(trust) + _UNCHANGED)
    return mean.unflatten(-1, field.shape[-2:])


def _nearness(
    places: Float[Tensor, "batch sides matches"], cells: int, half_side: float
) -> Float[Tensor, "batch sides cells matches"]:
    """Of places along one axis to the middles of ``cells``, one factor of a Gaussian's two."""
    middles = (2 * torch.arange(cells, device=places.device) + 1) / cells - 1
    away = places[..., None, :] - half_side * middles[:, None]
    return torch.exp(-(away**2) / (2 * _REACH**2))
