"""The relative pose of each two views that fits their matches best, of many that are tried.

What a set of matches says is not always what a network makes of it. So the learned pose is one
start of many: three rotations (none, and the learned one of either view) with directions all over
the sphere, and, if asked for, turns around what both cameras look at, which a long lens hardly
tells from steps aside. Each start is moved to where a small sample of the matches fits (Fischler
and Bolles 1981, with least squares instead of a minimal solver), the best are moved on over many
matches, and the one wins that most matches fit from before both cameras. Steps are Levenberg and
Marquardt's on the Sampson distance, with Cauchy weights that become narrower. Directions count
twice, since an essential matrix does not know its sign.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from glance3d.multiview.epipolar import (
    RayMatches,
    Residuals,
    cauchy_cost,
    cheirality,
    rays,
    residuals,
    slopes,
    tilted,
    triangulate_rays,
    turn,
)
from glance3d.multiview.matches import PairEstimates, SoftMatches, grid_to_unit
from glance3d.multiview.two_view import gumbel_table, relative_rotation
from glance3d.nn.tables import cached_table

PAIRS_PER_VIEW = 12  # of many views, only the pairs that share most are looked at
NUM_MATCHES = 256  # of a pair, the best ones
NUM_JUDGES = 96  # of them, the best again, say which starts are any good
NUM_DIRECTIONS, SAMPLES_PER_START, SAMPLE_SIZE = 12, 2, 10
_ORBITS = (-50.0, -25.0, -10.0, 10.0, 25.0, 50.0)  # degrees, about each of ...
_NUM_ORBIT_AXES = 4
NUM_KEPT = 10  # of the starts
PAIRS_AT_A_TIME = 64  # bounds what is in flight
#: Widths of the Cauchy weights in half diagonals of the image, one for each step.
_FIRST_WIDTHS = (0.1,) * 8
_LAST_WIDTHS = (0.015, 0.01, 0.01, 0.007, 0.007, 0.005, 0.005, 0.004)
_FITS_AT_FIRST, _FITS = 0.02, 0.008  # half diagonals
_SHIFTS = 0.005  # half diagonals, by which a match must move for its parallax to count half
_LARGEST_STEP = 0.3  # radians


class ViewPairMatches(NamedTuple):
    """The best matches of some pairs of views, found from either side.

    ``first`` and ``second`` are views. ``own`` are places in the first view, ``other`` in the
    second, in half diagonals about the image's centre; ``weight`` sums to one over a pair.
    ``amount``, 0 to 1, is how much of the views is matched.
    """

    first: Int[Tensor, "batch pairs"]
    second: Int[Tensor, "batch pairs"]
    own: Float[Tensor, "batch pairs matches 2"]
    other: Float[Tensor, "batch pairs matches 2"]
    weight: Float[Tensor, "batch pairs matches"]
    amount: Float[Tensor, "batch pairs"]

    def best(self, number: int) -> "ViewPairMatches":
        """The pairs that share most; all pairs are in this order."""
        return ViewPairMatches(*(part[:, :number] for part in self))

    def zoomed(self, factor: Float[Tensor, "batch views"]) -> "ViewPairMatches":
        """The same matches, of pictures each enlarged by its factor."""
        own = self.own * self.of_first(factor)[..., None, None]
        return self._replace(own=own, other=self.other * self.of_second(factor)[..., None, None])

    @property
    def scene(self) -> Int[Tensor, "batch 1"]:
        """Which scene of the batch each pair is of, to index with beside its views."""
        return torch.arange(len(self.first), device=self.first.device)[:, None]

    def of_first(self, of_views: Shaped[Tensor, "batch views *shape"]) -> Tensor:
        """What belongs to each pair's first view."""
        return of_views[self.scene, self.first]

    def of_second(self, of_views: Shaped[Tensor, "batch views *shape"]) -> Tensor:
        """What belongs to each pair's second view."""
        return of_views[self.scene, self.second]

    def rotation(self, of_views: Float[Tensor, "batch views 3 3"]) -> Tensor:
        """``second_from_first`` of every pair, from ``cam_from_world`` of every view."""
        return self.of_second(of_views) @ self.of_first(of_views).mT


class RelativePoses(NamedTuple):
    """``second_from_first`` of pairs of views, its translation's direction, and how much fits.

    ``fit``, 0 to 1, is the share of the matches' weight that fits from before both cameras.
    ``apart``, 0 to 1, is the share of that weight with a parallax; without any, the direction says
    nothing.
    """

    rotation: Float[Tensor, "batch pairs 3 3"]
    direction: Float[Tensor, "batch pairs 3"]
    fit: Float[Tensor, "batch pairs"]
    apart: Float[Tensor, "batch pairs"]


def best_matches(
    matches: SoftMatches, relations: PairEstimates, grid: tuple[int, int]
) -> ViewPairMatches:
    """Of every two views, or of those that share most, if there are many."""
    batch, views, _, cells = relations.weight.shape
    weight = relations.weight.float() * relations.inlier_logits.float().sigmoid()
    first, second = torch.triu_indices(views, views, 1, device=weight.device)
    amount = weight.mean(-1)
    amount = (amount + amount.mT)[:, first, second] / 2
    num_pairs = min(len(first), PAIRS_PER_VIEW * views)
    amount, kept = amount.topk(num_pairs, -1)
    first, second = first[kept], second[kept]
    scene = torch.arange(batch, device=weight.device)[:, None]
    there, back = (scene, first, second), (scene, second, first)
    both = torch.cat([weight[there], weight[back]], -1)
    weight, best = both.topk(min(NUM_MATCHES, 2 * cells), -1)
    here, aside = (grid_to_unit(matches.own[pair], grid) for pair in (there, back))
    to, fro = (grid_to_unit(matches.position[pair], grid) for pair in (there, back))
    best = best[..., None].expand(-1, -1, -1, 2)
    own = torch.cat([here, fro], -2).gather(-2, best)
    other = torch.cat([to, aside], -2).gather(-2, best)
    weight = weight / (weight.sum(-1, keepdim=True) + 1e-6)
    return ViewPairMatches(first, second, own, other, weight, amount)


@torch.no_grad()
def fit_relative_poses(
    pairs: ViewPairMatches,
    learned: Float[Tensor, "batch views views 9"],
    focal: Float[Tensor, " batch"],
    orbits: bool = True,
) -> RelativePoses:
    """The pose of each pair that most of its matches fit.

    ``learned[b, v, w]`` is a pose encoding of ``camw_from_camv``, a start among others. ``focal``,
    of all views of a scene, is in half diagonals. ``orbits``: start from turns around things,
    too, which takes a third longer.
    """
    with torch.autocast(learned.device.type, enabled=False):
        there = learned[pairs.scene, pairs.first, pairs.second].float()
        back = learned[pairs.scene, pairs.second, pairs.first].float()
        focal = focal[:, None].expand(pairs.amount.shape)
        data = (there, back, pairs.own, pairs.other, pairs.weight, focal)
        chunks = zip(*(part.split(PAIRS_AT_A_TIME, 1) for part in data), strict=True)
        found = [_fit(chunk, orbits) for chunk in chunks]
    return RelativePoses(*(torch.cat(parts, 1) for parts in zip(*found, strict=True)))


def _fit(chunk: tuple[Tensor, ...], orbits: bool) -> RelativePoses:
    there, back, own, other, weight, focal = chunk
    matches = RayMatches(rays(own, focal), rays(other, focal), weight, focal)
    rotation, direction = _starts(there, back)
    if orbits:
        turns, steps = (x.expand(*there.shape[:2], *x.shape) for x in _orbits(there.device))
        rotation, direction = torch.cat([rotation, turns], 2), torch.cat([direction, steps], 2)
    samples = _draw_samples(matches, rotation.shape[2])
    rotation, direction = _improve(rotation, direction, samples, _FIRST_WIDTHS)
    few = _of_starts(matches, rotation.shape[2], NUM_JUDGES)
    direction, fit = _facing(rotation, direction, few, _FITS_AT_FIRST)
    kept = fit.topk(NUM_KEPT, -1).indices
    rotation, direction = _take(rotation, kept), _take(direction, kept)
    many = _of_starts(matches, NUM_KEPT, NUM_MATCHES)
    rotation, direction = _improve(rotation, direction, many, _LAST_WIDTHS)
    direction, fit = _facing(rotation, direction, many, _FITS)
    fit, best = fit.max(-1, keepdim=True)
    rotation, direction = (_take(part, best)[:, :, 0] for part in (rotation, direction))
    shift = triangulate_rays(rotation, direction, matches).parallax * matches.focal[..., None]
    apart = (matches.weight * shift**2 / (shift**2 + _SHIFTS**2)).sum(-1)
    return RelativePoses(rotation, direction, fit[..., 0], apart)


def _starts(
    there: Float[Tensor, "batch pairs 9"], back: Float[Tensor, "batch pairs 9"]
) -> tuple[Float[Tensor, "batch pairs starts 3 3"], Float[Tensor, "batch pairs starts 3"]]:
    """The learned pose, and three rotations with directions all over the sphere, repeated."""
    forth, fro = relative_rotation(there), relative_rotation(back).mT
    still = torch.eye(3, device=there.device).expand_as(forth)
    directions = _all_directions(NUM_DIRECTIONS, there.device)
    spread = directions.expand(*there.shape[:2], -1, -1)
    rotations = [
        part[:, :, None].expand(-1, -1, len(directions), -1, -1) for part in (still, forth, fro)
    ]
    learned = F.normalize(there[..., None, :3], dim=-1)
    rotation = torch.cat([forth[:, :, None], *rotations], 2)
    direction = torch.cat([learned, spread, spread, spread], 2)
    return (
        torch.cat([rotation] * SAMPLES_PER_START, 2),
        torch.cat([direction] * SAMPLES_PER_START, 2),
    )


@cached_table
def _all_directions(number: int, device: torch.device) -> Float[Tensor, "number 3"]:
    """Evenly over the sphere, on a spiral by the golden angle."""
    step = torch.arange(number, device=device) + 0.5
    z = 1 - 2 * step / number
    angle, radius = step * (torch.pi * (3 - 5**0.5)), (1 - z * z).sqrt()
    return torch.stack([radius * angle.cos(), radius * angle.sin(), z], -1)


@cached_table
def _orbits(
    device: torch.device,
) -> tuple[Float[Tensor, "starts 3 3"], Float[Tensor, "starts 3"]]:
    """Turns about axes across the line of sight, each with the step that keeps things in view."""
    angle = torch.arange(_NUM_ORBIT_AXES, device=device) * (torch.pi / _NUM_ORBIT_AXES)
    step = torch.stack([angle.cos(), angle.sin(), torch.zeros_like(angle)], -1)
    axis = torch.stack([-step[:, 1], step[:, 0], step[:, 2]], -1)
    turns = torch.cat([turn(math.radians(degrees) * axis) for degrees in _ORBITS])
    return turns, step.repeat(len(_ORBITS), 1)


def _of_starts(matches: RayMatches, starts: int, number: int) -> RayMatches:
    """The same matches for each start, the first ``number`` of them: they are the best."""
    x, y, weight = (part[:, :, None, :number] for part in matches[:3])
    focal = matches.focal[..., None].expand(-1, -1, starts)
    return RayMatches(
        x.expand(-1, -1, starts, -1, -1),
        y.expand(-1, -1, starts, -1, -1),
        weight.expand(-1, -1, starts, -1),
        focal,
    )


def _draw_samples(matches: RayMatches, starts: int) -> RayMatches:
    """A few matches for each start, the better ones more often (by Gumbel's trick)."""
    few = _of_starts(matches, starts, NUM_JUDGES)
    noise = gumbel_table(starts, few.weight.shape[-1], few.weight.device)
    size = min(SAMPLE_SIZE, few.weight.shape[-1])
    drawn = ((few.weight + 1e-6).log() / 2 + noise).topk(size, -1).indices
    index = drawn[..., None].expand(*drawn.shape, 3)
    x, y = few.x.gather(-2, index), few.y.gather(-2, index)
    return RayMatches(x, y, torch.full_like(x[..., 0], 1 / size), few.focal)


def _take(
    of_starts: Float[Tensor, "batch pairs starts *shape"], kept: Int[Tensor, "batch pairs kept"]
) -> Float[Tensor, "batch pairs kept *shape"]:
    shape = of_starts.shape[3:]
    index = kept.view(*kept.shape, *[1] * len(shape)).expand(*kept.shape, *shape)
    return of_starts.gather(2, index)


def _improve(
    rotation: Float[Tensor, "*pairs 3 3"],
    direction: Float[Tensor, "*pairs 3"],
    matches: RayMatches,
    widths: tuple[float, ...],
) -> tuple[Float[Tensor, "*pairs 3 3"], Float[Tensor, "*pairs 3"]]:
    """Least squares from a start; a pose is only ever replaced by one that fits better."""
    damping = torch.full_like(matches.focal, 1e-3)
    left = residuals(rotation, direction, matches)
    for width in widths:
        step = _step(rotation, direction, matches, left, width, damping)
        turned, moved = rotation @ turn(step[..., :3]), tilted(direction, step[..., 3:])
        then = residuals(turned, moved, matches)
        weight = matches.weight
        better = cauchy_cost(then, weight, width) < cauchy_cost(left, weight, width)
        rotation = torch.where(better[..., None, None], turned, rotation)
        direction = torch.where(better[..., None], moved, direction)
        of_y = torch.where(better[..., None, None], then.of_y, left.of_y)
        distance, scale = (
            torch.where(better[..., None], a, b) for a, b in zip(then[:2], left[:2], strict=True)
        )
        left = Residuals(distance, scale, of_y)
        damping = torch.where(better, damping / 2, damping * 10)
    return rotation, direction


def _step(
    rotation: Tensor,
    direction: Tensor,
    matches: RayMatches,
    left: Residuals,
    width: float,
    damping: Tensor,
) -> Float[Tensor, "*pairs 5"]:
    """Levenberg and Marquardt's: a turn and a tilt."""
    along = slopes(rotation, direction, matches, left)
    trusted = (matches.weight / (1 + (left.distance / width) ** 2))[..., None]
    normal = (along * trusted).mT @ along
    amount = damping * normal.diagonal(dim1=-1, dim2=-2).sum(-1) + 1e-12
    normal = normal + amount[..., None, None] * torch.eye(5, device=normal.device)
    right = (along * trusted * left.distance[..., None]).sum(-2)
    step = -torch.linalg.solve_ex(normal.double(), right.double()[..., None]).result
    return torch.nan_to_num(step[..., 0].float()).clamp(-_LARGEST_STEP, _LARGEST_STEP)


def _facing(
    rotation: Tensor, direction: Tensor, matches: RayMatches, width: float
) -> tuple[Float[Tensor, "*pairs 3"], Float[Tensor, "*pairs"]]:
    """The direction or its opposite, by which more matches fit, and how many do."""
    distance = residuals(rotation, direction, matches).distance
    fits = matches.weight / (1 + (distance / width) ** 2)
    crossing = triangulate_rays(rotation, direction, matches)
    ahead, behind = ((fits * side).sum(-1) for side in cheirality(crossing))
    flipped = (behind > ahead)[..., None]
    return torch.where(flipped, -direction, direction), torch.maximum(ahead, behind)
