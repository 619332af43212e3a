"""What geometry alone says of two views: candidate relative poses from weighted matches.

A learned summary of a set of matches is good at judging and poor at algebra, so the algebra is done
for it: the eight-point algorithm, taken apart into rotation and direction for a few focal lengths,
and the rotation alone that best turns one view's rays into the other's (Horn 1987). None of it
takes part in gradients, and what is degenerate (no motion, a plane, no overlap) is said in numbers,
not refused: the network learns what to believe. The numbers of candidates are sizes of the network.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.rotations import positive_quat_xyzw_from_rotation, rotation_from_quat_xyzw
from glance3d.geometry.sync_free_linalg import decompose_essential, wahba_rotation
from glance3d.multiview.options import EightPointOptions
from glance3d.multiview.two_view import cheirality, eight_point, triangulate_rays
from glance3d.nn.precision import autocast
from glance3d.nn.tables import constant

#: In half diagonals of the image, one octave and a quarter around what lenses have.
FOCAL_LENGTHS_HD = (0.75, 1.1, 1.6, 2.4, 3.6)
_EPS = 1e-9
#: Of a pose quaternion, direction, unevenness and share in front; of a rotation quaternion, rest.
_PER_FOCAL = (4 + 3 + 1 + 1) + (4 + 1)
NUM_PAIR_FEATURES = len(FOCAL_LENGTHS_HD) * _PER_FOCAL + 3
NUM_ROTATIONS, NUM_DIRECTIONS = 2 * len(FOCAL_LENGTHS_HD), len(FOCAL_LENGTHS_HD)


class TwoViewFeatures(NamedTuple):
    """Features of each pair of views, and of each match (how well it fits, 0 to 1)."""

    pairs: Float[Tensor, "*pairs features"]
    inlier_weight: Float[Tensor, "*pairs matches"]


@torch.no_grad()
def two_view_features(
    first_hd: Float[Tensor, "*pairs matches 2"],
    second_hd: Float[Tensor, "*pairs matches 2"],
    weight: Float[Tensor, "*pairs matches"],
    options: EightPointOptions,
) -> TwoViewFeatures:
    """From places in half diagonals about the image's centre, and their weights, in float32."""
    with autocast(first_hd, enabled=False):
        weight = weight.float() + 1e-6
        x, y = _homogeneous(first_hd.float()), _homogeneous(second_hd.float())
        weight = weight / weight.sum(-1, keepdim=True)
        fundamental, inlier_weight, log_spread = eight_point(x, y, weight, options)
        trusted = weight * inlier_weight
        share = trusted.sum(-1, keepdim=True)
        trusted = trusted / share
        features = [log_spread, share]
        for focal_hd in FOCAL_LENGTHS_HD:
            # E = K^T F K, with K = diag(focal, focal, 1) for both views.
            lens = constant((1 / focal_hd, 1 / focal_hd, 1.0), x.device)
            x_ray, y_ray = x * lens, y * lens
            essential = fundamental / lens[:, None] / lens
            features += _pose_features(essential, x_ray, y_ray, trusted)
            features += _rotation_features(x_ray, y_ray, weight)
    return TwoViewFeatures(torch.cat(features, -1), inlier_weight)


def pose_candidates(
    features: Float[Tensor, "*pairs features"],
) -> tuple[Float[Tensor, "*pairs rotations 4"], Float[Tensor, "*pairs directions 3"]]:
    """The quaternions and the directions among a pair's features."""
    per_focal = features[..., 3:].unflatten(-1, (len(FOCAL_LENGTHS_HD), _PER_FOCAL))
    rotations = torch.cat([per_focal[..., :4], per_focal[..., 9:13]], -2)
    return rotations, per_focal[..., 4:7]


def _homogeneous(points: Float[Tensor, "*shape 2"]) -> Float[Tensor, "*shape 3"]:
    return torch.cat([points, torch.ones_like(points[..., :1])], -1)


def _pose_features(
    essential: Float[Tensor, "*pairs 3 3"],
    x: Float[Tensor, "*pairs matches 3"],
    y: Float[Tensor, "*pairs matches 3"],
    weight: Float[Tensor, "*pairs matches"],
) -> list[Tensor]:
    """Quaternion, direction, inequality of the singular values, and share of points in front.

    Of the four poses of an essential matrix the one before whose cameras most parallax lies.
    """
    rotations, direction, uneven = decompose_essential(essential)
    intersection = triangulate_rays(
        rotations, direction[..., None, :], x[..., None, :, :], y[..., None, :, :]
    )
    ahead, behind = cheirality(intersection)
    parallax = weight[..., None, :] * intersection.normal.norm(dim=-1)
    total = parallax.sum(-1) + _EPS
    shares = [(parallax * side).sum(-1) / total for side in (ahead, behind)]
    # Index 0 and 1: both rotations with this direction; 2 and 3: with its opposite.
    best, index = torch.cat(shares, -1).max(-1, keepdim=True)
    second_rotation = (index % 2 == 1)[..., None]
    rotation = torch.where(second_rotation, rotations[..., 1, :, :], rotations[..., 0, :, :])
    direction = torch.where(index < 2, direction, -direction)
    return [positive_quat_xyzw_from_rotation(rotation), direction, uneven, best]


def _rotation_features(
    x: Float[Tensor, "*pairs matches 3"],
    y: Float[Tensor, "*pairs matches 3"],
    weight: Float[Tensor, "*pairs matches"],
) -> list[Tensor]:
    """Quaternion of the best rotation, and the logarithm of what it leaves over."""
    a, b = F.normalize(x, dim=-1), F.normalize(y, dim=-1)
    quat = wahba_rotation((b * weight[..., None]).transpose(-1, -2) @ a)
    rotated = a @ rotation_from_quat_xyzw(quat).transpose(-1, -2)
    rest = (weight * (b - rotated).norm(dim=-1)).sum(-1, keepdim=True)
    return [quat, (rest + 1e-3).log()]
