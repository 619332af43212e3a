"""The relative pose of two views, moved to where their matches fit best.

A learned pose is about right; what is left is least squares: rotation and direction by Levenberg
and Marquardt's method on the Sampson distance, with Cauchy weights that become narrower (Hartley
and Zisserman 2004, sections 11.4 and A6). A pose is only ever replaced by one that fits better.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.transforms import rotation_from_quat_xyzw
from glance3d.models.correspondence.two_view import essential_matrix, pair_rotation, quaternion

#: Widths of the Cauchy weights in half diagonals of the image, one for each step.
_SCALES = (0.03, 0.02, 0.015, 0.01, 0.01, 0.007, 0.007, 0.005)
_LARGEST_STEP = 0.3  # radians
_EPS = 1e-9


class _Matches(NamedTuple):
    """Rays of both views, weights that sum to one, and their focal length in half diagonals."""

    x: Float[Tensor, "*pairs matches 3"]
    y: Float[Tensor, "*pairs matches 3"]
    weight: Float[Tensor, "*pairs matches"]
    focal: Float[Tensor, "*pairs"]


class _Residuals(NamedTuple):
    """Signed Sampson distances in half diagonals, their scale, and ``E^T y``."""

    distance: Float[Tensor, "*pairs matches"]
    scale: Float[Tensor, "*pairs matches"]
    of_y: Float[Tensor, "*pairs matches 3"]

    def cost(self, weight: Float[Tensor, "*pairs matches"], width: float) -> Tensor:
        """Cauchy's, of this width."""
        return (weight * torch.log1p((self.distance / width) ** 2)).sum(-1)


@torch.no_grad()
def polish_poses(
    pair_pose: Float[Tensor, "*pairs 9"],
    own: Float[Tensor, "*pairs matches 2"],
    other: Float[Tensor, "*pairs matches 2"],
    weight: Float[Tensor, "*pairs matches"],
    focal: Float[Tensor, "*pairs"],
) -> Float[Tensor, "*pairs 9"]:
    """The same pose encodings, their rotations and (unit) translations fitted to the matches.

    Places of matches and the focal length (of both views) are in half diagonals, places about the
    image's centre. The fields of view stay as they are.
    """
    with torch.autocast(pair_pose.device.type, enabled=False):
        pair_pose, focal = pair_pose.float(), focal.float()
        x, y = (_rays(places.float(), focal) for places in (own, other))
        weight = weight.float() / (weight.sum(-1, keepdim=True) + 1e-6)
        matches = _Matches(x, y, weight, focal)
        rotation, direction = pair_rotation(pair_pose), F.normalize(pair_pose[..., :3], dim=-1)
        damping = torch.full_like(focal, 1e-3)
        for width in _SCALES:
            left = _residuals(rotation, direction, matches)
            step = _step(rotation, direction, matches, left, width, damping)
            tried = rotation @ _turn(step[..., :3]), _tilted(direction, step[..., 3:])
            left_then = _residuals(*tried, matches)
            better = left_then.cost(weight, width) < left.cost(weight, width)
            rotation = torch.where(better[..., None, None], tried[0], rotation)
            direction = torch.where(better[..., None], tried[1], direction)
            damping = torch.where(better, damping / 2, damping * 10)
    return torch.cat([direction, quaternion(rotation), pair_pose[..., 7:]], -1)


def _rays(
    places: Float[Tensor, "*pairs matches 2"], focal: Float[Tensor, "*pairs"]
) -> Float[Tensor, "*pairs matches 3"]:
    return torch.cat([places / focal[..., None, None], torch.ones_like(places[..., :1])], -1)


def _residuals(rotation: Tensor, direction: Tensor, matches: _Matches) -> _Residuals:
    essential = essential_matrix(rotation, direction)
    of_x, of_y = matches.x @ essential.mT, matches.y @ essential
    slope = of_x[..., :2].square().sum(-1) + of_y[..., :2].square().sum(-1)
    scale = matches.focal[..., None] / slope.clamp(min=_EPS).sqrt()
    return _Residuals((matches.y * of_x).sum(-1) * scale, scale, of_y)


def _step(
    rotation: Tensor,
    direction: Tensor,
    matches: _Matches,
    left: _Residuals,
    width: float,
    damping: Tensor,
) -> Float[Tensor, "*pairs 5"]:
    """A small turn of the first view, and a tilt of the direction along its two tangents.

    Of ``y^T [t]x R x`` the slope along a turn is ``x`` x ``E^T y``, along ``t`` ``R x`` x ``y``.
    """
    by_turn = torch.linalg.cross(matches.x, left.of_y)
    by_tilt = torch.linalg.cross(matches.x @ rotation.mT, matches.y) @ _tangents(direction)
    slopes = torch.cat([by_turn, by_tilt], -1) * left.scale[..., None]
    trusted = (matches.weight / (1 + (left.distance / width) ** 2))[..., None]
    normal = (slopes * trusted).mT @ slopes
    amount = damping * normal.diagonal(dim1=-1, dim2=-2).sum(-1) + 1e-12
    normal = normal + amount[..., None, None] * torch.eye(5, device=normal.device)
    right = (slopes * trusted * left.distance[..., None]).sum(-2)
    inverse = torch.linalg.inv_ex(normal.double()).inverse.float()
    step = -(inverse @ right[..., None])[..., 0]
    return torch.nan_to_num(step).clamp(-_LARGEST_STEP, _LARGEST_STEP)


def _tangents(direction: Float[Tensor, "*pairs 3"]) -> Float[Tensor, "*pairs 3 2"]:
    """Two unit vectors at right angles to a direction and to each other."""
    least = direction.abs().argmin(-1, keepdim=True)
    least = torch.zeros_like(direction).scatter(-1, least, 1.0)
    first = F.normalize(torch.linalg.cross(direction, least), dim=-1)
    return torch.stack([first, torch.linalg.cross(direction, first)], -1)


def _tilted(direction: Tensor, tilt: Float[Tensor, "*pairs 2"]) -> Float[Tensor, "*pairs 3"]:
    return F.normalize(direction + (_tangents(direction) @ tilt[..., None])[..., 0], dim=-1)


def _turn(axis_angle: Float[Tensor, "*pairs 3"]) -> Float[Tensor, "*pairs 3 3"]:
    """The rotation about an axis by its length in radians."""
    half = axis_angle.norm(dim=-1, keepdim=True) / 2
    xyz = axis_angle / 2 * torch.sinc(half / torch.pi)
    return rotation_from_quat_xyzw(torch.cat([xyz, half.cos()], -1))
