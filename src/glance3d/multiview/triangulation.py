"""How far away matches say things are: triangulated depth, and how much it can be trusted."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.rotations import rotation_from_quat_xyzw
from glance3d.multiview.epipolar import (
    RayMatches,
    cheirality,
    rays,
    residuals,
    triangulate_rays,
)
from glance3d.multiview.matches import half_diagonal
from glance3d.multiview.relative_pose import ViewPairMatches

_FITS = 0.01  # half diagonals
_PLACE_ERROR = 0.006  # of a match, in half diagonals: with the parallax, a triangulated depth's
_GOOD_DEPTH = 0.15  # relative error of a triangulated depth that is trusted by half


def triangulate(
    pairs: ViewPairMatches, pose_enc: Float[Tensor, "batch views 9"], size: tuple[int, int]
) -> tuple[Float[Tensor, "batch pairs matches"], Float[Tensor, "batch pairs matches"]]:
    """Depth of each match in its pair's first view, in units of the translations, and its trust.

    ``size`` is (height, width).
    """
    first, second = pairs.of_first(pose_enc), pairs.of_second(pose_enc)
    to_first, to_second = (
        rotation_from_quat_xyzw(F.normalize(pose[..., 3:7], dim=-1)) for pose in (first, second)
    )
    rotation = to_second @ to_first.mT
    translation = second[..., :3] - (rotation @ first[..., :3, None])[..., 0]
    direction = F.normalize(translation, dim=-1)
    x, y = rays(pairs.own, _focal(first, size)), rays(pairs.other, _focal(second, size))
    matches = RayMatches(x, y, pairs.weight, _focal(first, size))
    crossing = triangulate_rays(rotation, translation, matches)
    depth = crossing.depth / crossing.steepness.clamp(min=1e-12)
    error = _PLACE_ERROR / crossing.parallax.clamp(min=1e-4)
    distance = residuals(rotation, direction, matches).distance
    in_front = cheirality(crossing)[0] & (depth > 0)
    trust = in_front / (1 + (error / _GOOD_DEPTH) ** 2) / (1 + (distance / _FITS) ** 2) ** 2
    return torch.where(in_front, depth, 1.0), trust


def _focal(
    pose: Float[Tensor, "batch pairs 9"], size: tuple[int, int]
) -> Float[Tensor, "batch pairs"]:
    """In half diagonals, by the vertical field of view."""
    return size[0] / (pose[..., 7] / 2).tan() / (2 * half_diagonal(size))


def sample_at_places(
    maps: Float[Tensor, "batch pairs rows columns"],
    places: Float[Tensor, "batch pairs matches 2"],
) -> Float[Tensor, "batch pairs matches"]:
    """Bilinear samples at places in half diagonals about the centre."""
    rows, columns = maps.shape[-2:]
    diagonal = 2 * half_diagonal((rows, columns))
    at = torch.stack([places[..., 0] * diagonal / columns, places[..., 1] * diagonal / rows], -1)
    sampled = F.grid_sample(
        maps.flatten(0, 1)[:, None],
        at.flatten(0, 1)[:, None],
        align_corners=False,
        padding_mode="border",
    )
    return sampled[:, 0, 0].unflatten(0, maps.shape[:2])
