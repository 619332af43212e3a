"""How well relative poses of two views fit matches, and the slopes along which they fit better.

Rotation, direction and focal length move on their own manifolds: a small turn of the first view, a
tilt of the direction along its two tangents, a factor of the focal length (Hartley and Zisserman
2004, sections 9.6, 11.4 and A6).
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.geometry.rotations import rotation_from_quat_xyzw
from glance3d.multiview.two_view import essential_matrix

_LEAST_PARALLAX = 0.01  # radians, below which nobody can say which side of a camera a point is on
_EPS = 1e-9


class RayMatches(NamedTuple):
    """Rays (with z = 1) of matching places in both views, weights that sum to one, focal length.

    The focal length, of both views, is in half diagonals of the image.
    """

    x: Float[Tensor, "*pairs matches 3"]
    y: Float[Tensor, "*pairs matches 3"]
    weight: Float[Tensor, "*pairs matches"]
    focal: Float[Tensor, "*pairs"]


class Residuals(NamedTuple):
    """Signed Sampson distances in half diagonals, what they were scaled by, and ``E^T y``."""

    distance: Float[Tensor, "*pairs matches"]
    scale: Float[Tensor, "*pairs matches"]
    of_y: Float[Tensor, "*pairs matches 3"]


def rays(
    places: Float[Tensor, "*pairs matches 2"], focal: Float[Tensor, "*pairs"]
) -> Float[Tensor, "*pairs matches 3"]:
    """Of places in half diagonals about the image's centre."""
    return torch.cat([places / focal[..., None, None], torch.ones_like(places[..., :1])], -1)


def residuals(
    rotation: Float[Tensor, "*pairs 3 3"],
    direction: Float[Tensor, "*pairs 3"],
    matches: RayMatches,
) -> Residuals:
    """How far each match is from fitting ``y^T [t]x R x = 0``."""
    essential = essential_matrix(rotation, direction)
    of_x, of_y = matches.x @ essential.mT, matches.y @ essential
    slope = of_x[..., :2].square().sum(-1) + of_y[..., :2].square().sum(-1)
    scale = matches.focal[..., None] / slope.clamp(min=_EPS).sqrt()
    return Residuals((matches.y * of_x).sum(-1) * scale, scale, of_y)


def slopes(
    rotation: Float[Tensor, "*pairs 3 3"],
    direction: Float[Tensor, "*pairs 3"],
    matches: RayMatches,
    left: Residuals,
) -> Float[Tensor, "*pairs matches 5"]:
    """Of the distances along a turn of the first view, and a tilt of the direction.

    Of ``y^T [t]x R x`` the slope along a turn is ``x`` x ``E^T y``, along ``t`` ``R x`` x ``y``.
    """
    by_turn = torch.linalg.cross(matches.x, left.of_y)
    by_tilt = torch.linalg.cross(matches.x @ rotation.mT, matches.y) @ tangents(direction)
    return torch.cat([by_turn, by_tilt], -1) * left.scale[..., None]


def cauchy_cost(
    left: Residuals, weight: Float[Tensor, "*pairs matches"], width: float
) -> Float[Tensor, "*pairs"]:
    """Weighted mean of ``log(1 + (distance / width)^2)``: what is far off counts little."""
    return (weight * torch.log1p((left.distance / width) ** 2)).sum(-1)


class RayIntersection(NamedTuple):
    """Where the rays of each match pass each other.

    ``depth`` and ``depth_other``, in the first view and in the second, are in units of the
    translation times ``steepness``; ``parallax`` is the sine of the angle between the rays.
    """

    depth: Float[Tensor, "*pairs matches"]
    depth_other: Float[Tensor, "*pairs matches"]
    steepness: Float[Tensor, "*pairs matches"]
    parallax: Float[Tensor, "*pairs matches"]


def triangulate_rays(
    rotation: Float[Tensor, "*pairs 3 3"],
    translation: Float[Tensor, "*pairs 3"],
    matches: RayMatches,
) -> RayIntersection:
    """Triangulation by the rays' common normal; ``translation`` has any length."""
    turned = matches.x @ rotation.mT
    normal = torch.linalg.cross(matches.y, turned)
    along = translation[..., None, :].expand_as(turned)
    depth = -(torch.linalg.cross(matches.y, along) * normal).sum(-1)
    depth_other = -(torch.linalg.cross(turned, along) * normal).sum(-1)
    parallax = normal.norm(dim=-1) / (turned.norm(dim=-1) * matches.y.norm(dim=-1))
    return RayIntersection(depth, depth_other, normal.square().sum(-1), parallax)


def cheirality(
    crossing: RayIntersection,
) -> tuple[Bool[Tensor, "*pairs matches"], Bool[Tensor, "*pairs matches"]]:
    """Which matches may lie before both cameras: for this translation, and for its opposite.

    Without parallax both may be.
    """
    depth, depth_other = crossing.depth, crossing.depth_other
    still = crossing.parallax < _LEAST_PARALLAX
    ahead, behind = (depth > 0) & (depth_other > 0), (depth < 0) & (depth_other < 0)
    return ahead | still, behind | still


def tangents(direction: Float[Tensor, "*pairs 3"]) -> Float[Tensor, "*pairs 3 2"]:
    """Two unit vectors at right angles to a direction and to each other."""
    least = direction.abs().argmin(-1, keepdim=True)
    least = torch.zeros_like(direction).scatter(-1, least, 1.0)
    first = F.normalize(torch.linalg.cross(direction, least), dim=-1)
    return torch.stack([first, torch.linalg.cross(direction, first)], -1)


def tilted(
    direction: Float[Tensor, "*pairs 3"], tilt: Float[Tensor, "*pairs 2"]
) -> Float[Tensor, "*pairs 3"]:
    """A direction moved along its tangents."""
    return F.normalize(direction + (tangents(direction) @ tilt[..., None])[..., 0], dim=-1)


def turn(axis_angle: Float[Tensor, "*pairs 3"]) -> Float[Tensor, "*pairs 3 3"]:
    """The rotation about an axis by its length in radians."""
    half = axis_angle.norm(dim=-1, keepdim=True) / 2
    xyz = axis_angle / 2 * torch.sinc(half / torch.pi)
    return rotation_from_quat_xyzw(torch.cat([xyz, half.cos()], -1))
