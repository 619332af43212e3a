"""What geometry alone says of two views: candidate relative poses from weighted matches.

A learned summary of a set of matches is good at judging and poor at algebra, so the algebra is done
for it: the weighted eight-point algorithm (Longuet-Higgins 1981; Hartley 1997), begun with the best
of a few samples (Fischler and Bolles 1981), reweighted by how well each match fits (Cauchy weights
on the Sampson distance), taken apart into
rotation and direction for a few focal lengths, and the rotation alone that best turns one view's
rays into the other's (Horn 1987). None of it takes part in gradients, and what is degenerate (no
motion, a plane, no overlap) is said in numbers, not refused: the network learns what to believe.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.rotations import rotation_from_quat_xyzw
from glance3d.geometry.sync_free_linalg import (
    decompose_essential,
    least_eigenvector,
    wahba_rotation,
)
from glance3d.nn.tables import cached_table, constant

#: In half diagonals of the image, one octave and a quarter around what lenses have.
FOCAL_LENGTHS = (0.75, 1.1, 1.6, 2.4, 3.6)
_SCALES = (0.04, 0.02, 0.01)  # of the Cauchy weights, in half diagonals
_NUM_SAMPLES, _SAMPLE_SIZE, _NUM_JUDGES = 24, 9, 96
_EPS = 1e-9
_PER_FOCAL = 9 + 5
NUM_PAIR_FEATURES = len(FOCAL_LENGTHS) * _PER_FOCAL + 3
NUM_ROTATIONS, NUM_DIRECTIONS = 2 * len(FOCAL_LENGTHS), len(FOCAL_LENGTHS)


class TwoViewGeometry(NamedTuple):
    """Features of each pair of views, and of each match (how well it fits, 0 to 1)."""

    pairs: Float[Tensor, "*pairs features"]
    fit: Float[Tensor, "*pairs matches"]


@torch.no_grad()
def two_view_geometry(
    own: Float[Tensor, "*pairs matches 2"],
    other: Float[Tensor, "*pairs matches 2"],
    weight: Float[Tensor, "*pairs matches"],
) -> TwoViewGeometry:
    """From places in half diagonals about the image's centre, and their weights, in float32."""
    with torch.autocast(own.device.type, enabled=False):
        weight = weight.float() + 1e-6
        x, y = _homogeneous(own.float()), _homogeneous(other.float())
        weight = weight / weight.sum(-1, keepdim=True)
        fundamental, fit, spread = _fundamental(x, y, weight)
        trusted = weight * fit
        share = trusted.sum(-1, keepdim=True)
        trusted = trusted / share
        found = [spread, share]
        for focal in FOCAL_LENGTHS:
            lens = constant((1 / focal, 1 / focal, 1.0), x.device)
            rays, rays_other = x * lens, y * lens
            essential = fundamental / lens[:, None] / lens
            found += _decompose(essential, rays, rays_other, trusted)
            found += _rotation_alone(rays, rays_other, weight)
    return TwoViewGeometry(torch.cat(found, -1), fit)


def candidates(
    features: Float[Tensor, "*pairs features"],
) -> tuple[Float[Tensor, "*pairs rotations 4"], Float[Tensor, "*pairs directions 3"]]:
    """The quaternions and the directions among a pair's features."""
    per_focal = features[..., 3:].unflatten(-1, (len(FOCAL_LENGTHS), _PER_FOCAL))
    rotations = torch.cat([per_focal[..., :4], per_focal[..., 9:13]], -2)
    return rotations, per_focal[..., 4:7]


def _homogeneous(points: Float[Tensor, "*shape 2"]) -> Float[Tensor, "*shape 3"]:
    return torch.cat([points, torch.ones_like(points[..., :1])], -1)


def _fundamental(
    x: Float[Tensor, "*pairs matches 3"],
    y: Float[Tensor, "*pairs matches 3"],
    weight: Float[Tensor, "*pairs matches"],
) -> tuple[Float[Tensor, "*pairs 3 3"], Float[Tensor, "*pairs matches"], Float[Tensor, "*pairs 2"]]:
    """``y^T F x = 0``, each match's Cauchy weight, and how well determined F is."""
    rows = (y[..., :, None] * x[..., None, :]).flatten(-2)
    fundamental = _best_of_samples(rows, x, y, weight)
    values = x.new_zeros(())
    fit = x.new_zeros(())
    for scale in _SCALES:
        fit = 1 / (1 + sampson_distance(fundamental, x, y) / scale**2)
        moments = (rows * (weight * fit)[..., None]).transpose(-1, -2) @ rows
        vector, values = least_eigenvector(moments.double())
        fundamental = vector.float().unflatten(-1, (3, 3))
    return fundamental, fit, (values.float() + 1e-8).log()


def _best_of_samples(
    rows: Float[Tensor, "*pairs matches 9"],
    x: Float[Tensor, "*pairs matches 3"],
    y: Float[Tensor, "*pairs matches 3"],
    weight: Float[Tensor, "*pairs matches"],
) -> Float[Tensor, "*pairs 3 3"]:
    """Of the solutions of small samples the one that fits best, so that wrong matches do no harm.

    Samples are drawn by weight, with the same noise each time (Gumbel's trick, and a fixed table).
    """
    noise = gumbel_table(_NUM_SAMPLES, weight.shape[-1], weight.device)
    size = min(_SAMPLE_SIZE, weight.shape[-1])
    chosen = (weight[..., None, :].log() + noise).topk(size, -1).indices
    index = chosen.flatten(-2)[..., None].expand(*chosen.shape[:-2], -1, 9)
    sample = rows.expand(*weight.shape, 9).gather(-2, index).unflatten(-2, (_NUM_SAMPLES, size))
    vector, _ = least_eigenvector((sample.transpose(-1, -2) @ sample).double())
    found = vector.float().unflatten(-1, (3, 3))
    stride = max(1, weight.shape[-1] // _NUM_JUDGES)
    x, y, weight = x[..., None, ::stride, :], y[..., None, ::stride, :], weight[..., None, ::stride]
    distance = sampson_distance(found, x, y)
    score = (weight / (1 + distance / _SCALES[0] ** 2)).sum(-1)
    best = score.argmax(-1)[..., None, None, None].expand(*score.shape[:-1], 1, 3, 3)
    return found.gather(-3, best)[..., 0, :, :]


@cached_table
def gumbel_table(
    samples: int, matches: int, device: torch.device
) -> Float[Tensor, "samples matches"]:
    """Noise to draw samples by weight with: the largest sums of it and logarithms of weights."""
    uniform = torch.rand(samples, matches, generator=torch.Generator().manual_seed(0))
    return -torch.log(-torch.log(uniform.clamp(1e-6, 1 - 1e-6))).to(device)


def sampson_distance(
    fundamental: Float[Tensor, "*#pairs 3 3"],
    x: Float[Tensor, "*#pairs matches 3"],
    y: Float[Tensor, "*#pairs matches 3"],
) -> Float[Tensor, "*pairs matches"]:
    """Squared distance to the epipolar constraint, to first order."""
    of_x, of_y = x @ fundamental.transpose(-1, -2), y @ fundamental
    slope = of_x[..., :2].square().sum(-1) + of_y[..., :2].square().sum(-1)
    return (y * of_x).sum(-1).square() / (slope + _EPS)


def _decompose(
    essential: Float[Tensor, "*pairs 3 3"],
    rays: Float[Tensor, "*pairs matches 3"],
    rays_other: Float[Tensor, "*pairs matches 3"],
    weight: Float[Tensor, "*pairs matches"],
) -> list[Tensor]:
    """Quaternion, direction, inequality of the singular values, and share of points in front."""
    rotations, along, uneven = decompose_essential(essential)
    ahead, behind = _shares_in_front(rotations, along, rays, rays_other, weight)
    best, index = torch.cat([ahead, behind], -1).max(-1, keepdim=True)
    second_rotation = (index % 2 == 1)[..., None]
    rotation = torch.where(second_rotation, rotations[..., 1, :, :], rotations[..., 0, :, :])
    direction = torch.where(index < 2, along, -along)
    return [quaternion(rotation), direction, uneven, best]


def _shares_in_front(
    rotations: Float[Tensor, "*pairs 2 3 3"],
    direction: Float[Tensor, "*pairs 3"],
    rays: Float[Tensor, "*pairs matches 3"],
    rays_other: Float[Tensor, "*pairs matches 3"],
    weight: Float[Tensor, "*pairs matches"],
) -> tuple[Float[Tensor, "*pairs 2"], Float[Tensor, "*pairs 2"]]:
    """How much of the parallax lies before both cameras, for the direction and its opposite."""
    turned = rays[..., None, :, :] @ rotations.transpose(-1, -2)
    seen = rays_other[..., None, :, :].expand_as(turned)
    normal = torch.linalg.cross(seen, turned)
    step = direction[..., None, None, :].expand_as(turned)
    depth = -(torch.linalg.cross(seen, step) * normal).sum(-1)
    depth_other = -(torch.linalg.cross(turned, step) * normal).sum(-1)
    parallax = weight[..., None, :] * normal.norm(dim=-1)
    total = parallax.sum(-1) + _EPS
    ahead = (depth > 0) & (depth_other > 0)
    behind = (depth < 0) & (depth_other < 0)
    return (parallax * ahead).sum(-1) / total, (parallax * behind).sum(-1) / total


def _rotation_alone(
    rays: Float[Tensor, "*pairs matches 3"],
    rays_other: Float[Tensor, "*pairs matches 3"],
    weight: Float[Tensor, "*pairs matches"],
) -> list[Tensor]:
    """Quaternion of the best rotation, and the logarithm of what it leaves over."""
    a, b = F.normalize(rays, dim=-1), F.normalize(rays_other, dim=-1)
    quat = wahba_rotation((b * weight[..., None]).transpose(-1, -2) @ a)
    turned = a @ rotation_from_quat_xyzw(quat).transpose(-1, -2)
    left = (weight * (b - turned).norm(dim=-1)).sum(-1, keepdim=True)
    return [quat, (left + 1e-3).log()]


def relative_rotation(pose_enc: Float[Tensor, "*batch 9"]) -> Float[Tensor, "*batch 3 3"]:
    """Of pose encodings whose quaternions may have any length, even none."""
    quat = pose_enc[..., 3:7] + constant((0.0, 0.0, 0.0, 1e-9), pose_enc.device)
    return rotation_from_quat_xyzw(F.normalize(quat, dim=-1))


def essential_matrix(
    rotation: Float[Tensor, "*batch 3 3"], direction: Float[Tensor, "*batch 3"]
) -> Float[Tensor, "*batch 3 3"]:
    """``E = [t]x R``."""
    return torch.linalg.cross(direction[..., None, :].expand_as(rotation), rotation.mT).mT


def quaternion(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """x y z w of unit length, w not negative; any of the two at a half turn."""
    m = rotation.flatten(-2).unbind(-1)
    diagonal = torch.stack([m[0], m[4], m[8]], -1)
    trace = diagonal.sum(-1, keepdim=True)
    size = (1 + torch.cat([2 * diagonal - trace, trace], -1)).clamp(min=0).sqrt() / 2
    xyz = torch.stack([m[7] - m[5], m[2] - m[6], m[3] - m[1]], -1)
    signed = torch.copysign(size[..., :3], xyz)
    return F.normalize(torch.cat([signed, size[..., 3:]], -1), dim=-1)
