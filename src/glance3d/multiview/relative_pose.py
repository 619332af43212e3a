"""The relative pose of each two views that fits their matches best, of many that are tried.

What a set of matches says is not always what a network makes of it. So the learned pose is one
start of many: three rotations (none, and the learned one of either view) with directions all over
the sphere, and, if asked for, orbits around what both cameras look at, which a long lens hardly
tells from steps to the side. Each start is moved to where a small sample of the matches fits
(Fischler and Bolles 1981, with least squares instead of a minimal solver), the best are moved on
over many matches, and the one wins that most matches fit from before both cameras. Steps are
Levenberg and Marquardt's on the Sampson distance, with Cauchy weights that become narrower.
Directions count twice, since an essential matrix does not know its sign.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.geometry.rotations import rotation_from_quat_xyzw, so3_exp
from glance3d.multiview.matches import ViewPairMatches
from glance3d.multiview.options import RelativePoseOptions
from glance3d.multiview.two_view import (
    RayMatches,
    Residuals,
    cauchy_cost,
    gumbel_noise,
    jacobian,
    possible_cheirality,
    rays_from_hd,
    residuals,
    retract_direction,
    triangulate_rays,
)
from glance3d.nn.precision import autocast
from glance3d.nn.tables import cached_table, constant

PAIRS_AT_A_TIME = 64  # bounds what is in flight


class RelativePoses(NamedTuple):
    """``second_from_first`` of pairs of views, its translation's direction, and how much fits.

    ``inlier_share``, 0 to 1, is the share of the matches' weight that fits from before both
    cameras. ``parallax_share``, 0 to 1, is the share of that weight with a parallax; without any,
    the direction means nothing.
    """

    rotation: Float[Tensor, "batch pairs 3 3"]
    direction: Float[Tensor, "batch pairs 3"]
    inlier_share: Float[Tensor, "batch pairs"]
    parallax_share: Float[Tensor, "batch pairs"]


@torch.no_grad()
def estimate_relative_poses(
    pairs: ViewPairMatches,
    learned: Float[Tensor, "batch views views 9"],
    focal_hd: Float[Tensor, " batch"] | Float[Tensor, "batch pairs"],
    options: RelativePoseOptions,
    orbits: bool = True,
) -> RelativePoses:
    """The pose of each pair that most of its matches fit.

    ``learned[b, v, w]`` is a pose encoding of ``camw_from_camv``, a start among others.
    ``focal_hd``, of all views of a scene or of both views of a pair, is in half diagonals.
    ``orbits``: start from orbits, too, which takes a third longer.
    """
    with autocast(learned, enabled=False):
        forward = learned[pairs.scene, pairs.first, pairs.second].float()
        backward = learned[pairs.scene, pairs.second, pairs.first].float()
        if focal_hd.ndim == 1:
            focal_hd = focal_hd[:, None].expand(pairs.amount.shape)
        data = (forward, backward, pairs.first_hd, pairs.second_hd, pairs.weight, focal_hd)
        chunks = zip(*(part.split(PAIRS_AT_A_TIME, 1) for part in data), strict=True)
        poses = [_estimate(chunk, options, orbits) for chunk in chunks]
    return RelativePoses(*(torch.cat(parts, 1) for parts in zip(*poses, strict=True)))


def _estimate(
    chunk: tuple[Tensor, ...], options: RelativePoseOptions, orbits: bool
) -> RelativePoses:
    forward, backward, first_hd, second_hd, weight, focal_hd = chunk
    x, y = rays_from_hd(first_hd, focal_hd), rays_from_hd(second_hd, focal_hd)
    matches = RayMatches(x, y, weight, focal_hd)
    # First round: every start, on a few matches of its own.
    rotation, direction = _starts(forward, backward, options)
    if orbits:
        parts = _orbits(options.orbits_deg, options.num_orbit_axes, forward.device)
        turns, steps = (part.expand(*forward.shape[:2], *part.shape) for part in parts)
        rotation, direction = torch.cat([rotation, turns], 2), torch.cat([direction, steps], 2)
    samples = _draw_samples(matches, rotation.shape[2], options)
    widths_hd, max_step = options.first_widths_hd, options.max_step
    rotation, direction = _improve(rotation, direction, samples, widths_hd, max_step)
    # Second round: the starts that most of the better matches fit, on all matches.
    few = _for_starts(matches, rotation.shape[2], options.num_judges)
    direction, share = _choose_sign(rotation, direction, few, options.first_inlier_width_hd)
    kept = share.topk(min(options.num_kept, share.shape[-1]), -1).indices
    rotation, direction = _take(rotation, kept), _take(direction, kept)
    many = _for_starts(matches, kept.shape[-1], matches.weight.shape[-1])
    rotation, direction = _improve(rotation, direction, many, options.last_widths_hd, max_step)
    direction, share = _choose_sign(rotation, direction, many, options.inlier_width_hd)
    share, best = share.max(-1, keepdim=True)
    rotation, direction = (_take(part, best)[:, :, 0] for part in (rotation, direction))
    # A ray at this angle from its partner moves by the focal length times its sine (for small
    # angles) in the image; it counts half where that is parallax_width_hd.
    parallax = triangulate_rays(rotation, direction, matches.x, matches.y).parallax
    shift_hd = parallax * matches.focal_hd[..., None]
    has_parallax = matches.weight * shift_hd**2 / (shift_hd**2 + options.parallax_width_hd**2)
    return RelativePoses(rotation, direction, share[..., 0], has_parallax.sum(-1))


def _starts(
    forward: Float[Tensor, "batch pairs 9"],
    backward: Float[Tensor, "batch pairs 9"],
    options: RelativePoseOptions,
) -> tuple[Float[Tensor, "batch pairs starts 3 3"], Float[Tensor, "batch pairs starts 3"]]:
    """The learned pose, and three rotations with directions all over the sphere, repeated."""
    # learned[v, w] is camw_from_camv, so the one of the opposite direction is transposed.
    of_forward, of_backward = _learned_rotation(forward), _learned_rotation(backward).mT
    identity = torch.eye(3, device=forward.device).expand_as(of_forward)
    directions = _sphere_directions(options.num_directions, forward.device)
    spread = directions.expand(*forward.shape[:2], -1, -1)
    rotations = [
        part[:, :, None].expand(-1, -1, len(directions), -1, -1)
        for part in (identity, of_forward, of_backward)
    ]
    learned = F.normalize(forward[..., None, :3], dim=-1)
    rotation = torch.cat([of_forward[:, :, None], *rotations], 2)
    direction = torch.cat([learned, spread, spread, spread], 2)
    return (
        torch.cat([rotation] * options.samples_per_start, 2),
        torch.cat([direction] * options.samples_per_start, 2),
    )


def _learned_rotation(pose_enc: Float[Tensor, "*batch 9"]) -> Float[Tensor, "*batch 3 3"]:
    """Of pose encodings whose quaternions may have any length, even none."""
    # A quaternion of length zero becomes the identity.
    quat = pose_enc[..., 3:7] + constant((0.0, 0.0, 0.0, 1e-9), pose_enc.device)
    return rotation_from_quat_xyzw(F.normalize(quat, dim=-1))


@cached_table
def _sphere_directions(number: int, device: torch.device) -> Float[Tensor, "number 3"]:
    """Evenly over the sphere, on a spiral by the golden angle (Fibonacci's lattice)."""
    step = torch.arange(number, device=device) + 0.5
    z = 1 - 2 * step / number
    angle, radius = step * (torch.pi * (3 - 5**0.5)), (1 - z * z).sqrt()
    return torch.stack([radius * angle.cos(), radius * angle.sin(), z], -1)


@cached_table
def _orbits(
    degrees: tuple[float, ...], num_axes: int, device: torch.device
) -> tuple[Float[Tensor, "starts 3 3"], Float[Tensor, "starts 3"]]:
    """Rotations about axes across the line of sight, and steps that keep things in view."""
    angle = torch.arange(num_axes, device=device) * (torch.pi / num_axes)
    step = torch.stack([angle.cos(), angle.sin(), torch.zeros_like(angle)], -1)
    axis = torch.stack([-step[:, 1], step[:, 0], step[:, 2]], -1)
    # The axis is z x step. Blocks of num_axes directions, one block for each angle.
    turns = torch.cat([so3_exp(math.radians(turn) * axis) for turn in degrees])
    return turns, step.repeat(len(degrees), 1)


def _for_starts(matches: RayMatches, starts: int, number: int) -> RayMatches:
    """The same matches for each start, the first ``number`` of them: they are the best."""
    x, y, weight = (part[:, :, None, :number] for part in matches[:3])
    return RayMatches(
        x.expand(-1, -1, starts, -1, -1),
        y.expand(-1, -1, starts, -1, -1),
        weight.expand(-1, -1, starts, -1),
        matches.focal_hd[..., None].expand(-1, -1, starts),
    )


def _draw_samples(matches: RayMatches, starts: int, options: RelativePoseOptions) -> RayMatches:
    """A few matches for each start, the better ones more often (by Gumbel's trick)."""
    few = _for_starts(matches, starts, options.num_judges)
    noise = gumbel_noise(starts, few.weight.shape[-1], few.weight.device)
    size = min(options.sample_size, few.weight.shape[-1])
    # Half the logarithm: the probability goes with the root of the weight.
    drawn = ((few.weight + 1e-6).log() / 2 + noise).topk(size, -1).indices
    index = drawn[..., None].expand(*drawn.shape, 3)
    x, y = few.x.gather(-2, index), few.y.gather(-2, index)
    return RayMatches(x, y, torch.full_like(x[..., 0], 1 / size), few.focal_hd)


def _take(
    of_starts: Float[Tensor, "batch pairs starts *shape"], kept: Int[Tensor, "batch pairs kept"]
) -> Float[Tensor, "batch pairs kept *shape"]:
    shape = of_starts.shape[3:]
    # gather wants an index of the full shape: kept[b, p, k] for all of the other axes.
    index = kept.view(*kept.shape, *[1] * len(shape)).expand(*kept.shape, *shape)
    return of_starts.gather(2, index)


def _improve(
    rotation: Float[Tensor, "*pairs 3 3"],
    direction: Float[Tensor, "*pairs 3"],
    matches: RayMatches,
    widths_hd: tuple[float, ...],
    max_step: float,
) -> tuple[Float[Tensor, "*pairs 3 3"], Float[Tensor, "*pairs 3"]]:
    """Least squares from a start; a pose is only ever replaced by one that fits better."""
    damping = torch.full_like(matches.focal_hd, 1e-3)
    current = residuals(rotation, direction, matches)
    for width_hd in widths_hd:
        step = _step(rotation, direction, matches, current, width_hd, damping)
        step = step.clamp(-max_step, max_step)
        # The rotation is perturbed in the first view's frame, as the jacobian assumes.
        turned = rotation @ so3_exp(step[..., :3])
        moved = retract_direction(direction, step[..., 3:])
        tried = residuals(turned, moved, matches)
        cost, cost_tried = (
            cauchy_cost(residual.distance_hd, matches.weight, width_hd)
            for residual in (current, tried)
        )
        # Each start accepts and damps its own steps; the others of the batch go on.
        better = cost_tried < cost
        rotation = torch.where(better[..., None, None], turned, rotation)
        direction = torch.where(better[..., None], moved, direction)
        distance_hd, scale = (
            torch.where(better[..., None], new, old)
            for new, old in zip(tried[:2], current[:2], strict=True)
        )
        line = torch.where(better[..., None, None], tried.line_in_first, current.line_in_first)
        current = Residuals(distance_hd, scale, line)
        damping = torch.where(better, damping / 2, damping * 10)
    return rotation, direction


def _step(
    rotation: Tensor,
    direction: Tensor,
    matches: RayMatches,
    residual: Residuals,
    width_hd: float,
    damping: Tensor,
) -> Float[Tensor, "*pairs 5"]:
    """Levenberg and Marquardt's: 3 of the rotation, 2 of the direction.

    Solves ``(J^T W J + damping tr(J^T W J) I) step = -J^T W r``, W being Cauchy's weights.
    """
    derivative = jacobian(rotation, direction, matches, residual)
    # W: the derivative of Cauchy's cost by the squared distance (iteratively reweighted squares).
    trusted = (matches.weight / (1 + (residual.distance_hd / width_hd) ** 2))[..., None]
    normal = (derivative * trusted).mT @ derivative
    # Levenberg's damping: all five numbers are angles, so one amount suits them.
    amount = damping * normal.diagonal(dim1=-1, dim2=-2).sum(-1) + 1e-12
    normal = normal + amount[..., None, None] * torch.eye(5, device=normal.device)
    gradient = (derivative * trusted * residual.distance_hd[..., None]).sum(-2)
    step = -torch.linalg.solve_ex(normal.double(), gradient.double()[..., None]).result
    return torch.nan_to_num(step[..., 0].float())


def _choose_sign(
    rotation: Tensor, direction: Tensor, matches: RayMatches, width_hd: float
) -> tuple[Float[Tensor, "*pairs 3"], Float[Tensor, "*pairs"]]:
    """The direction or its opposite, by which more matches fit, and how many do."""
    distance_hd = residuals(rotation, direction, matches).distance_hd
    fits = matches.weight / (1 + (distance_hd / width_hd) ** 2)
    intersection = triangulate_rays(rotation, direction, matches.x, matches.y)
    # E and -E are the same constraint: [-t]x R = -[t]x R.
    ahead, behind = ((fits * side).sum(-1) for side in possible_cheirality(intersection))
    flipped = (behind > ahead)[..., None]
    return torch.where(flipped, -direction, direction), torch.maximum(ahead, behind)
