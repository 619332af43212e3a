"""How far away matches say things are: triangulated depth, and how much it can be trusted."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.rotations import rotation_from_quat_xyzw
from glance3d.multiview.matches import ViewPairMatches, half_diagonal
from glance3d.multiview.options import TriangulationOptions
from glance3d.multiview.two_view import (
    RayMatches,
    possible_cheirality,
    rays_from_hd,
    residuals,
    triangulate_rays,
)
from glance3d.nn.precision import autocast


def triangulate_matches(
    pairs: ViewPairMatches,
    pose_enc: Float[Tensor, "batch views 9"],
    size: tuple[int, int],
    options: TriangulationOptions,
) -> tuple[Float[Tensor, "batch pairs matches"], Float[Tensor, "batch pairs matches"]]:
    """Depth of each match in its pair's first view, in units of the translations, and its trust.

    ``size`` is (height, width). Depth is 1 and trust 0 where a match lies behind a camera.
    """
    first, second = pairs.of_first(pose_enc), pairs.of_second(pose_enc)
    first_rotation, second_rotation = (
        rotation_from_quat_xyzw(F.normalize(pose[..., 3:7], dim=-1)) for pose in (first, second)
    )
    # second_from_first = second_from_world * world_from_first
    rotation = second_rotation @ first_rotation.mT
    translation = second[..., :3] - (rotation @ first[..., :3, None])[..., 0]
    focal_hd = _focal_hd(first, size)
    x = rays_from_hd(pairs.first_hd, focal_hd)
    y = rays_from_hd(pairs.second_hd, _focal_hd(second, size))
    intersection = triangulate_rays(rotation, translation, x, y)
    depth = intersection.depth / intersection.steepness.clamp(min=1e-12)
    # A match that is off by an angle moves the intersection by that angle over the parallax.
    relative_error = options.match_error_hd / intersection.parallax.clamp(min=1e-4)
    matches = RayMatches(x, y, pairs.weight, focal_hd)
    distance_hd = residuals(rotation, F.normalize(translation, dim=-1), matches).distance_hd
    in_front = possible_cheirality(intersection)[0] & (depth > 0)
    trust = in_front / (1 + (relative_error / options.half_trust_error) ** 2)
    trust = trust / (1 + (distance_hd / options.inlier_width_hd) ** 2) ** 2
    return torch.where(in_front, depth, 1.0), trust


def _focal_hd(
    pose: Float[Tensor, "batch pairs 9"], size: tuple[int, int]
) -> Float[Tensor, "batch pairs"]:
    """In half diagonals, by the vertical field of view."""
    return size[0] / (pose[..., 7] / 2).tan() / (2 * half_diagonal(size))


@torch.no_grad()
def camera_scale_from_depth(
    pairs: ViewPairMatches,
    pose_enc: Float[Tensor, "batch views 9"],
    depth: Float[Tensor, "batch views height width"],
    options: TriangulationOptions,
) -> Float[Tensor, " batch"]:
    """What to multiply translations by so that they have depth's unit of length.

    Matches give the distances between cameras only up to a factor. It is the weighted median of
    depth over triangulated depth, drawn towards 1 where little is triangulated.
    """
    size = (depth.shape[-2], depth.shape[-1])
    with autocast(depth, enabled=False):
        triangulated, trust = triangulate_matches(pairs, pose_enc.float(), size, options)
        predicted = sample_at_hd(pairs.of_first(depth.float()), pairs.first_hd)
        log_ratio = (predicted / triangulated).log().flatten(1)
        trust = (trust * pairs.weight * pairs.amount[..., None]).flatten(1)
        total = trust.sum(-1)
        median = _weighted_median(log_ratio, trust)
        return (median * total / (total + options.half_scale_trust)).exp()


def _weighted_median(
    values: Float[Tensor, "batch count"], weights: Float[Tensor, "batch count"]
) -> Float[Tensor, " batch"]:
    """The value at half of all weight."""
    ordered, order = values.sort(-1)
    below = weights.gather(-1, order).cumsum(-1)
    # The first value at which the cumulated weight reaches half of it.
    middle = (2 * below < below[:, -1:]).sum(-1, keepdim=True)
    return ordered.gather(-1, middle.clamp(max=values.shape[-1] - 1))[:, 0]


def sample_at_hd(
    maps: Float[Tensor, "batch pairs rows columns"],
    xy_hd: Float[Tensor, "batch pairs matches 2"],
) -> Float[Tensor, "batch pairs matches"]:
    """Bilinear samples at places in half diagonals about the centre."""
    rows, columns = maps.shape[-2:]
    diagonal = 2 * half_diagonal((rows, columns))
    # grid_sample's places run from -1 to 1 over the outer edges of the image.
    at = torch.stack([xy_hd[..., 0] * diagonal / columns, xy_hd[..., 1] * diagonal / rows], -1)
    sampled = F.grid_sample(
        maps.flatten(0, 1)[:, None],
        at.flatten(0, 1)[:, None],
        align_corners=False,
        padding_mode="border",
    )
    return sampled[:, 0, 0].unflatten(0, maps.shape[:2])
