"""All poses of a scene and its focal length, moved together to where all matches fit best.

A pose for each view is fitted to the epipolar constraints of all pairs at once, without points
(Rodriguez et al., "Reduced epipolar cost for accelerated incremental SfM", CVPR 2011). The matches
of a pair enter as a small normal matrix of its relative pose, and the chain rule leads from there
to the views (:mod:`glance3d.multiview.equations`). The first view stays where it is.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.rotations import so3_exp
from glance3d.multiview.averaging.scene import ScenePoses
from glance3d.multiview.equations.pair_solver import MOST_DENSE_VIEWS, PairSolver
from glance3d.multiview.equations.pose_step import (
    PER_PAIR,
    PoseEquations,
    solve_by_pairs,
    solve_whole,
)
from glance3d.multiview.matches import ViewPairMatches
from glance3d.multiview.options import PoseAdjustmentOptions
from glance3d.multiview.two_view import (
    RayMatches,
    cauchy_cost,
    jacobian,
    possible_cheirality,
    rays_from_hd,
    residuals,
    tangent_basis,
    triangulate_rays,
)
from glance3d.nn.precision import autocast

_FOCAL_STEP = 1e-3  # of the logarithm, for a numerical derivative


class FocalPrior(NamedTuple):
    """A focal length of all views, in half diagonals, and the deviation of its logarithm."""

    focal_hd: Float[Tensor, " batch"]
    deviation: Float[Tensor, " batch"]

    def deviations(self, focal_hd: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """How far another focal length is from this one, in deviations."""
        return (focal_hd / self.focal_hd).log() / self.deviation


@torch.no_grad()
def adjust_poses(
    pairs: ViewPairMatches,
    start: ScenePoses,
    prior: FocalPrior,
    options: PoseAdjustmentOptions,
) -> tuple[ScenePoses, Float[Tensor, " batch"]]:
    """Poses and focal length (in half diagonals) that fit better; centres in any unit.

    The focal length starts at the prior's, and matches have to outweigh how far it goes.
    """
    focal_hd = prior.focal_hd
    with autocast(focal_hd, enabled=False):
        # The scale of a scene is free: cameras are about one unit from the first.
        size = start.centers.norm(dim=-1).mean(-1)[:, None, None]
        start = start._replace(centers=start.centers / (size + 1e-9))
        state = _State(pairs, start, focal_hd)
        damping = torch.full_like(focal_hd, 1e-3)
        num_views = start.centers.shape[1]
        solver = PairSolver(pairs, num_views, 6) if num_views > MOST_DENSE_VIEWS else None
        for width_hd in options.cauchy_widths_hd:
            step = _step(state, prior, width_hd, damping, options, solver)
            tried = state.moved(step.clamp(-options.max_step, options.max_step))
            cost, cost_tried = (each.cost(prior, width_hd, options) for each in (state, tried))
            # Scenes of a batch accept and damp their own steps.
            better = cost_tried < cost
            state = tried.where(better, state)
            damping = torch.where(better, damping / 3, damping * 10)
    return state.poses, state.focal_hd


def inlier_share(
    pairs: ViewPairMatches, poses: ScenePoses, focal_hd: Float[Tensor, " batch"], width_hd: float
) -> Float[Tensor, " batch"]:
    """How much of all pairs' matches fits from before both cameras, 0 to 1.

    A match that is ``width_hd`` half diagonals off counts half. Every pair counts by how much of
    its views is matched, whether the others agree with it or not: for comparing different poses.
    """
    with autocast(focal_hd, enabled=False):
        state = _State(pairs, poses, focal_hd)
        fits = state.in_front / (1 + (state.residual.distance_hd / width_hd) ** 2)
        of_pairs = (pairs.weight * fits).sum(-1)
        return (pairs.amount * of_pairs).sum(-1) / (pairs.amount.sum(-1) + 1e-9)


class _State:
    """Poses, a focal length, and how all pairs fit them.

    With ``cam_from_world = [R_v | -R_v c_v]`` a pair's ``second_from_first`` has the rotation
    ``R_2 R_1^T`` and the translation ``R_2 (c_1 - c_2)``.
    """

    def __init__(self, pairs: ViewPairMatches, poses: ScenePoses, focal_hd: Tensor) -> None:
        self.pairs, self.poses, self.focal_hd = pairs, poses, focal_hd
        self.second_rotation = pairs.of_second(poses.rotation)
        self.rotation = pairs.rotation(poses.rotation)
        baseline = pairs.of_first(poses.centers) - pairs.of_second(poses.centers)
        translation = (self.second_rotation @ baseline[..., None])[..., 0]
        self.length = translation.norm(dim=-1).clamp(min=1e-3)
        self.direction = translation / self.length[..., None]
        self.matches = self._matches(focal_hd)
        self.residual = residuals(self.rotation, self.direction, self.matches)
        x, y = self.matches.x, self.matches.y
        intersection = triangulate_rays(self.rotation, self.direction, x, y)
        self.in_front = possible_cheirality(intersection)[0]
        self.share = poses.trust / (poses.trust.sum(-1, keepdim=True) + 1e-30)

    def _matches(self, focal_hd: Tensor) -> RayMatches:
        pairs, of_pairs = self.pairs, focal_hd[:, None].expand(self.pairs.amount.shape)
        x, y = (rays_from_hd(places, of_pairs) for places in (pairs.first_hd, pairs.second_hd))
        return RayMatches(x, y, pairs.weight, of_pairs)

    def cost(
        self, prior: FocalPrior, width_hd: float, options: PoseAdjustmentOptions
    ) -> Float[Tensor, " batch"]:
        """Of all pairs; a match behind a camera is off by so much at least."""
        distance_hd = self.residual.distance_hd
        behind_hd = distance_hd.abs().clamp(min=options.behind_hd)
        distance_hd = torch.where(self.in_front, distance_hd, behind_hd)
        of_pairs = cauchy_cost(distance_hd, self.pairs.weight, width_hd)
        deviations = prior.deviations(self.focal_hd)
        return (self.share * of_pairs).sum(-1) + options.focal_weight * deviations.square()

    def jacobian(self) -> Float[Tensor, "batch pairs matches 6"]:
        """Of the distances, by rotation, direction, and the logarithm of the focal length."""
        by_pose = jacobian(self.rotation, self.direction, self.matches, self.residual)
        # A longer focal length narrows all rays; the derivative is a forward difference.
        longer = self._matches(self.focal_hd * (1 + _FOCAL_STEP))
        after = residuals(self.rotation, self.direction, longer).distance_hd
        by_focal = (after - self.residual.distance_hd) / _FOCAL_STEP
        return torch.cat([by_pose, by_focal[..., None]], -1)

    def chain(self) -> Float[Tensor, "batch pairs 6 13"]:
        """How rotations (``exp([w]x) R_v``) and moves of both views change the relative pose.

        Rows: 3 of the relative rotation ``R exp([r]x)``, 2 of the direction's tangents, 1 of the
        focal length. Columns: rotations of the first and the second view, moves of the first and
        the second centre, the focal length.
        """
        chain = self.length.new_zeros(*self.length.shape, 6, PER_PAIR)
        tangents = tangent_basis(self.direction).mT
        # exp([w2]x) R exp(-[w1]x) = R exp([R^T w2 - w1]x), to first order.
        chain[..., :3, 0:3] = -torch.eye(3, device=chain.device)
        chain[..., :3, 3:6] = self.rotation.mT
        # The direction rotates with the second view: w2 x d, along each tangent a: w2 (d x a).
        chain[..., 3:5, 3:6] = torch.linalg.cross(
            self.direction[..., None, :].expand_as(tangents), tangents
        )
        # d t / d c_1 = R_2 = -d t / d c_2, across the direction, over the length of t.
        by_move = tangents @ self.second_rotation / self.length[..., None, None]
        chain[..., 3:5, 6:9], chain[..., 3:5, 9:12] = by_move, -by_move
        chain[..., 5, 12] = 1
        return chain

    def moved(self, step: Float[Tensor, "batch numbers"]) -> "_State":
        """Every view rotated and moved, and the focal length changed."""
        views = self.poses.centers.shape[1]
        rotations = step[:, : 3 * views].unflatten(1, (views, 3))
        moves = step[:, 3 * views : -1].unflatten(1, (views, 3))
        poses = self.poses._replace(
            rotation=so3_exp(rotations) @ self.poses.rotation, centers=self.poses.centers + moves
        )
        return _State(self.pairs, poses, self.focal_hd * step[:, -1].exp())

    def where(self, better: Tensor, other: "_State") -> "_State":
        """Scene by scene, this state or the other."""
        focal_hd = torch.where(better, self.focal_hd, other.focal_hd)
        return _State(self.pairs, self.poses.where(better, other.poses), focal_hd)


def _step(
    state: _State,
    prior: FocalPrior,
    width_hd: float,
    damping: Float[Tensor, " batch"],
    options: PoseAdjustmentOptions,
    solver: PairSolver | None,
) -> Float[Tensor, "batch numbers"]:
    """Levenberg and Marquardt's: rotations of all views, moves of all views, and the focal length.

    A pair's matrix is ``C^T (J^T W J) C``: ``J`` of its 6 numbers, ``C`` the chain to the 13 of its
    views, ``W`` Cauchy's weights times how far the pair is trusted.
    """
    derivative, distance_hd = state.jacobian(), state.residual.distance_hd
    trusted = state.in_front * state.share[..., None] * state.pairs.weight
    trusted = (trusted / (width_hd**2 + distance_hd**2))[..., None]
    chain = state.chain()
    of_pairs = chain.mT @ ((derivative * trusted).mT @ derivative) @ chain
    gradient = (derivative * trusted * distance_hd[..., None]).sum(-2)[..., None]
    right_of_pairs = (chain.mT @ gradient)[..., 0]
    # The prior is focal_weight * ((log f - log f0) / deviation)^2: one more residual.
    weight = options.focal_weight / prior.deviation
    equations = PoseEquations(
        of_pairs.double(),
        right_of_pairs.double(),
        weight / prior.deviation,
        weight * prior.deviations(state.focal_hd),
        damping,
    )
    if solver is None:
        step = -solve_whole(state.pairs, state.poses.centers.shape[1], equations)
    else:
        step = -solve_by_pairs(state.pairs, solver, equations)
    return torch.nan_to_num(step.float())
