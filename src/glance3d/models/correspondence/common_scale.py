"""One unit of length for cameras and depth: what matches triangulate to is what depth says.

Matches know how far cameras stand apart only up to a factor, which the depth maps of the same look
give: the median of depth over triangulated depth, where rays cross at an angle that says something.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.transforms import rotation_from_quat_xyzw
from glance3d.models.correspondence.epipolar import (
    RayMatches,
    before_both,
    cross_rays,
    rays,
    residuals,
)
from glance3d.models.correspondence.matches import half_diagonal
from glance3d.models.correspondence.pair_poses import PairMatches

_FITS = 0.01  # half diagonals
_PLACE_ERROR = 0.006  # of a match, in half diagonals: with the parallax, a triangulated depth's
_GOOD_DEPTH = 0.15  # relative error of a triangulated depth that is trusted by half
_LITTLE = 1e-3  # so much trust in all, and the factor is halfway to the usual one


@torch.no_grad()
def scale_of_cameras(
    pairs: PairMatches,
    pose_enc: Float[Tensor, "batch views 9"],
    depth: Float[Tensor, "batch views height width"],
) -> Float[Tensor, " batch"]:
    """What to multiply translations by so that they have depth's unit; 1 where nothing is told."""
    with torch.autocast(depth.device.type, enabled=False):
        triangulated, trust = _triangulate(pairs, pose_enc.float(), depth.shape[-2:])
        seen = _at_places(pairs.of_first(depth.float()), pairs.own)
        ratio = (seen / triangulated).log().flatten(1)
        trust = (trust * pairs.weight * pairs.amount[..., None]).flatten(1)
        return (_median(ratio, trust) * trust.sum(-1) / (trust.sum(-1) + _LITTLE)).exp()


def _triangulate(
    pairs: PairMatches, pose_enc: Float[Tensor, "batch views 9"], size: torch.Size
) -> tuple[Float[Tensor, "batch pairs matches"], Float[Tensor, "batch pairs matches"]]:
    """Depth of each match in its pair's first view, in units of the translations, and its trust."""
    first, second = pairs.of_first(pose_enc), pairs.of_second(pose_enc)
    to_first, to_second = (
        rotation_from_quat_xyzw(F.normalize(pose[..., 3:7], dim=-1)) for pose in (first, second)
    )
    rotation = to_second @ to_first.mT
    translation = second[..., :3] - (rotation @ first[..., :3, None])[..., 0]
    direction = F.normalize(translation, dim=-1)
    x, y = rays(pairs.own, _focal(first, size)), rays(pairs.other, _focal(second, size))
    matches = RayMatches(x, y, pairs.weight, _focal(first, size))
    crossing = cross_rays(rotation, translation, matches)
    depth = crossing.depth / crossing.steepness.clamp(min=1e-12)
    error = _PLACE_ERROR / crossing.parallax.clamp(min=1e-4)
    distance = residuals(rotation, direction, matches).distance
    in_front = before_both(crossing)[0] & (depth > 0)
    trust = in_front / (1 + (error / _GOOD_DEPTH) ** 2) / (1 + (distance / _FITS) ** 2) ** 2
    return torch.where(in_front, depth, 1.0), trust


def _focal(pose: Float[Tensor, "batch pairs 9"], size: torch.Size) -> Float[Tensor, "batch pairs"]:
    """In half diagonals, by the vertical field of view."""
    height, width = size
    return height / (pose[..., 7] / 2).tan() / (2 * half_diagonal((height, width)))


def _at_places(
    depth: Float[Tensor, "batch pairs height width"],
    places: Float[Tensor, "batch pairs matches 2"],
) -> Float[Tensor, "batch pairs matches"]:
    """Bilinear samples at places in half diagonals about the centre."""
    height, width = depth.shape[-2:]
    diagonal = 2 * half_diagonal((height, width))
    at = torch.stack([places[..., 0] * diagonal / width, places[..., 1] * diagonal / height], -1)
    sampled = F.grid_sample(
        depth.flatten(0, 1)[:, None],
        at.flatten(0, 1)[:, None],
        align_corners=False,
        padding_mode="border",
    )
    return sampled[:, 0, 0].unflatten(0, depth.shape[:2])


def _median(
    values: Float[Tensor, "batch count"], weights: Float[Tensor, "batch count"]
) -> Float[Tensor, " batch"]:
    """The value at half of all weight."""
    ordered, order = values.sort(-1)
    below = weights.gather(-1, order).cumsum(-1)
    middle = (2 * below < below[:, -1:]).sum(-1, keepdim=True)
    return ordered.gather(-1, middle.clamp(max=values.shape[-1] - 1))[:, 0]
