"""The relative pose of two views, moved to where their matches fit best.

A learned pose is about right; what is left is least squares: rotation and direction by Levenberg
and Marquardt's method on the Sampson distance, with Cauchy weights that become narrower (Hartley
and Zisserman 2004, sections 11.4 and A6). A pose is only ever replaced by one that fits better.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.transforms import rotation_from_quat_xyzw
from glance3d.models.correspondence.two_view import quaternion

#: Widths of the Cauchy weights in half diagonals of the image, one for each step.
_SCALES = (0.03, 0.02, 0.015, 0.01, 0.01, 0.007, 0.007, 0.005)
_LARGEST_STEP = 0.3  # radians
_EPS = 1e-9


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
        turned = pair_pose[..., 3:7] + pair_pose.new_tensor([0, 0, 0, 1e-9])
        rotation = rotation_from_quat_xyzw(F.normalize(turned, dim=-1))
        direction = F.normalize(pair_pose[..., :3], dim=-1)
        damping = torch.full_like(focal, 1e-3)
        for scale in _SCALES:
            step = _step(rotation, direction, x, y, weight, focal, scale, damping)
            tried = rotation @ _turn(step[..., :3]), _tilted(direction, step[..., 3:])
            before = _cost(rotation, direction, x, y, weight, focal, scale)
            better = _cost(*tried, x, y, weight, focal, scale) < before
            rotation = torch.where(better[..., None, None], tried[0], rotation)
            direction = torch.where(better[..., None], tried[1], direction)
            damping = torch.where(better, damping / 2, damping * 10)
    return torch.cat([direction, quaternion(rotation), pair_pose[..., 7:]], -1)


def _rays(
    places: Float[Tensor, "*pairs matches 2"], focal: Float[Tensor, "*pairs"]
) -> Float[Tensor, "*pairs matches 3"]:
    return torch.cat([places / focal[..., None, None], torch.ones_like(places[..., :1])], -1)


def _residuals(
    rotation: Tensor, direction: Tensor, x: Tensor, y: Tensor, focal: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Signed Sampson distances in half diagonals, their scale, and ``E^T y``."""
    essential = torch.linalg.cross(direction[..., None, :].expand_as(rotation), rotation.mT).mT
    of_x, of_y = x @ essential.mT, y @ essential
    slope = of_x[..., :2].square().sum(-1) + of_y[..., :2].square().sum(-1)
    scale = focal[..., None] / slope.clamp(min=_EPS).sqrt()
    return (y * of_x).sum(-1) * scale, scale, of_y


def _cost(
    rotation: Tensor,
    direction: Tensor,
    x: Tensor,
    y: Tensor,
    weight: Tensor,
    focal: Tensor,
    width: float,
) -> Float[Tensor, "*pairs"]:
    distance, _, _ = _residuals(rotation, direction, x, y, focal)
    return (weight * torch.log1p((distance / width) ** 2)).sum(-1)


def _step(
    rotation: Tensor,
    direction: Tensor,
    x: Tensor,
    y: Tensor,
    weight: Tensor,
    focal: Tensor,
    width: float,
    damping: Tensor,
) -> Float[Tensor, "*pairs 5"]:
    """A small turn of the first view, and a tilt of the direction along its two tangents.

    Of ``y^T [t]x R x`` the slope along a turn is ``x`` x ``E^T y``, along ``t`` ``R x`` x ``y``.
    """
    distance, scale, of_y = _residuals(rotation, direction, x, y, focal)
    by_turn = torch.linalg.cross(x, of_y)
    by_tilt = torch.linalg.cross(x @ rotation.mT, y) @ _tangents(direction)
    slopes = torch.cat([by_turn, by_tilt], -1) * scale[..., None]
    trusted = (weight / (1 + (distance / width) ** 2))[..., None]
    normal = (slopes * trusted).mT @ slopes
    amount = damping * normal.diagonal(dim1=-1, dim2=-2).sum(-1) + 1e-12
    normal = normal + amount[..., None, None] * torch.eye(5, device=normal.device)
    right = (slopes * trusted * distance[..., None]).sum(-2)
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
