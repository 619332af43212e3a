"""All poses of a scene and its focal length, moved together to where all matches fit best.

A pose for each view is fitted to the epipolar constraints of all pairs at once, without points
(Rodriguez et al., "Reduced epipolar cost for accelerated incremental SfM", CVPR 2011). The matches
of a pair enter as a small normal matrix of its relative pose, and the chain rule leads from there
to the views: the cost of a step hardly depends on how many views there are. The first view stays
where it is.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.multiview.averaging import ScenePoses
from glance3d.multiview.epipolar import (
    RayMatches,
    Residuals,
    cauchy_cost,
    cheirality,
    rays,
    residuals,
    slopes,
    tangents,
    triangulate_rays,
    turn,
)
from glance3d.multiview.relative_pose import ViewPairMatches

#: Widths of the Cauchy weights in half diagonals of the image, one for each step.
_WIDTHS = (0.03, 0.02, 0.02, 0.015, 0.015, 0.01, 0.01, 0.01, 0.007, 0.007)
_FOCAL_WEIGHT = 0.02  # of a focal length's squared deviations, against all matches together
_LARGEST_STEP = 0.3  # radians, mean distances, and logarithms
_RATIO = 1e-3  # of focal lengths, to see what a change does
_PER_PAIR = 13  # turns of both views, moves of both, and the focal length


class FocalPrior(NamedTuple):
    """A focal length of all views, in half diagonals, and the deviation of its logarithm."""

    focal: Float[Tensor, " batch"]
    deviation: Float[Tensor, " batch"]

    def off(self, focal: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """How far another focal length is from this one, in deviations."""
        return (focal / self.focal).log() / self.deviation


@torch.no_grad()
def adjust_poses(
    pairs: ViewPairMatches, start: ScenePoses, expected: FocalPrior
) -> tuple[ScenePoses, Float[Tensor, " batch"]]:
    """Poses and focal length (in half diagonals) that fit better; centres in any unit.

    The focal length starts at the expected one, and matches have to outweigh how far it goes.
    """
    focal = expected.focal
    with torch.autocast(focal.device.type, enabled=False):
        size = start.centers.norm(dim=-1).mean(-1)[:, None, None]
        start = start._replace(centers=start.centers / (size + 1e-9))
        state = _State(pairs, start, focal)
        damping = torch.full_like(focal, 1e-3)
        for width in _WIDTHS:
            tried = state.moved(_step(state, expected, width, damping))
            better = tried.cost(expected, width) < state.cost(expected, width)
            state = tried.where(better, state)
            damping = torch.where(better, damping / 3, damping * 10)
    return state.poses, state.focal


def share_that_fits(
    pairs: ViewPairMatches, poses: ScenePoses, focal: Float[Tensor, " batch"], width: float
) -> Float[Tensor, " batch"]:
    """How much of all pairs' matches fits from before both cameras, 0 to 1.

    A match that is ``width`` half diagonals off counts half. Every pair counts by how much of its
    views is matched, whether the others agree with it or not: for comparing different poses.
    """
    with torch.autocast(focal.device.type, enabled=False):
        state = _State(pairs, poses, focal)
        fits = state.in_front / (1 + (state.left.distance / width) ** 2)
        of_pairs = (pairs.weight * fits).sum(-1)
        return (pairs.amount * of_pairs).sum(-1) / (pairs.amount.sum(-1) + 1e-9)


class _State:
    """Poses, a focal length, and how all pairs fit them."""

    def __init__(self, pairs: ViewPairMatches, poses: ScenePoses, focal: Tensor) -> None:
        self.pairs, self.poses, self.focal = pairs, poses, focal
        self.of_second = pairs.of_second(poses.rotation)
        self.rotation = pairs.rotation(poses.rotation)
        apart = pairs.of_first(poses.centers) - pairs.of_second(poses.centers)
        translation = (self.of_second @ apart[..., None])[..., 0]
        self.length = translation.norm(dim=-1).clamp(min=1e-3)
        self.direction = translation / self.length[..., None]
        self.matches = self._matches(focal)
        self.left = residuals(self.rotation, self.direction, self.matches)
        self.in_front = cheirality(triangulate_rays(self.rotation, self.direction, self.matches))[0]
        self.share = poses.trust / (poses.trust.sum(-1, keepdim=True) + 1e-30)

    def _matches(self, focal: Tensor) -> RayMatches:
        pairs, of_pairs = self.pairs, focal[:, None].expand(self.pairs.amount.shape)
        return RayMatches(
            rays(pairs.own, of_pairs), rays(pairs.other, of_pairs), pairs.weight, of_pairs
        )

    def cost(self, expected: FocalPrior, width: float) -> Float[Tensor, " batch"]:
        """Of all pairs; a match behind a camera is as bad as one that is a half diagonal off."""
        distance = torch.where(self.in_front, self.left.distance, 1.0)
        left = Residuals(distance, self.left.scale, self.left.of_y)
        of_pairs = cauchy_cost(left, self.pairs.weight, width)
        off_focal = expected.off(self.focal)
        return (self.share * of_pairs).sum(-1) + _FOCAL_WEIGHT * off_focal.square()

    def slopes(self) -> Float[Tensor, "batch pairs matches 6"]:
        """Of the distances, along a turn, a tilt, and the logarithm of the focal length."""
        along = slopes(self.rotation, self.direction, self.matches, self.left)
        longer = self._matches(self.focal * (1 + _RATIO))
        then = residuals(self.rotation, self.direction, longer).distance
        return torch.cat([along, ((then - self.left.distance) / _RATIO)[..., None]], -1)

    def chain(self) -> Float[Tensor, "batch pairs 6 13"]:
        """How turns (about their own axes) and moves of both views change the relative pose."""
        chain = self.length.new_zeros(*self.length.shape, 6, _PER_PAIR)
        across = tangents(self.direction)
        moved = across.mT @ self.of_second / self.length[..., None, None]
        chain[..., :3, 0:3] = -torch.eye(3, device=chain.device)
        chain[..., :3, 3:6] = self.rotation.mT
        chain[..., 3:5, 3:6] = torch.linalg.cross(
            self.direction[..., None, :].expand_as(across.mT), across.mT
        )
        chain[..., 3:5, 6:9], chain[..., 3:5, 9:12] = moved, -moved
        chain[..., 5, 12] = 1
        return chain

    def moved(self, step: Float[Tensor, "batch numbers"]) -> "_State":
        """Every view turned and moved, and the focal length changed."""
        views = self.poses.centers.shape[1]
        turns = step[:, : 3 * views].unflatten(1, (views, 3))
        moves = step[:, 3 * views : -1].unflatten(1, (views, 3))
        poses = self.poses._replace(
            rotation=turn(turns) @ self.poses.rotation, centers=self.poses.centers + moves
        )
        return _State(self.pairs, poses, self.focal * step[:, -1].exp())

    def where(self, better: Tensor, other: "_State") -> "_State":
        """Scene by scene, this state or the other."""
        focal = torch.where(better, self.focal, other.focal)
        return _State(self.pairs, self.poses.where(better, other.poses), focal)


def _step(
    state: _State, expected: FocalPrior, width: float, damping: Float[Tensor, " batch"]
) -> Float[Tensor, "batch numbers"]:
    """Levenberg and Marquardt's: turns of all views, moves of all views, and the focal length."""
    along, distance = state.slopes(), state.left.distance
    trusted = state.in_front * state.share[..., None] * state.pairs.weight
    trusted = (trusted / (width**2 + distance**2))[..., None]
    chain = state.chain()
    of_pairs = chain.mT @ ((along * trusted).mT @ along) @ chain
    right_of_pairs = chain.mT @ (along * trusted * distance[..., None]).sum(-2)[..., None]
    normal, right = _gather_pairs(state, of_pairs.double(), right_of_pairs[..., 0].double())
    prior = _FOCAL_WEIGHT / expected.deviation
    normal[:, -1, -1] += prior / expected.deviation
    right[:, -1] += prior * expected.off(state.focal)
    diagonal = normal.diagonal(dim1=-1, dim2=-2)
    normal = normal + torch.diag_embed(damping[:, None] * diagonal + 1e-8)
    normal, right = _hold_first_view(normal, right)
    step = -torch.linalg.solve_ex(normal, right[..., None]).result[..., 0]
    return torch.nan_to_num(step.float()).clamp(-_LARGEST_STEP, _LARGEST_STEP)


def _gather_pairs(
    state: _State,
    of_pairs: Float[Tensor, "batch pairs 13 13"],
    right_of_pairs: Float[Tensor, "batch pairs 13"],
) -> tuple[Float[Tensor, "batch numbers numbers"], Float[Tensor, "batch numbers"]]:
    """The sums of what pairs say of their views."""
    batch, views = state.poses.centers.shape[:2]
    numbers = 6 * views + 1
    index = _numbers_of_pairs(state.pairs, views)
    cells = (index[..., :, None] * numbers + index[..., None, :]).flatten(1)
    normal = of_pairs.new_zeros(batch, numbers * numbers)
    normal.scatter_add_(1, cells, of_pairs.flatten(1))
    right = of_pairs.new_zeros(batch, numbers)
    right.scatter_add_(1, index.flatten(1), right_of_pairs.flatten(1))
    return normal.unflatten(1, (numbers, numbers)), right


def _numbers_of_pairs(pairs: ViewPairMatches, views: int) -> Int[Tensor, "batch pairs 13"]:
    """Which of all numbers a pair's are: turns come first, then moves, last the focal length."""
    axes = torch.arange(3, device=pairs.first.device)
    first, second = (3 * view[..., None] + axes for view in (pairs.first, pairs.second))
    last = torch.full_like(first[..., :1], 6 * views)
    return torch.cat([first, second, 3 * views + first, 3 * views + second, last], -1)


def _hold_first_view(
    normal: Float[Tensor, "batch numbers numbers"], right: Float[Tensor, "batch numbers"]
) -> tuple[Float[Tensor, "batch numbers numbers"], Float[Tensor, "batch numbers"]]:
    """The same equations, for a first view that neither turns nor moves."""
    views = normal.shape[-1] // 6
    free = torch.ones_like(right)
    free[:, :3] = 0
    free[:, 3 * views : 3 * views + 3] = 0
    normal = normal * free[:, :, None] * free[:, None] + torch.diag_embed(1 - free)
    return normal, right * free
