"""Which points to keep: by depth, by confidence rank, by number, by agreement between views."""

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from glance3d.errors import InputError
from glance3d.geometry.cameras import project_points
from glance3d.geometry.distortion import before_fold
from glance3d.geometry.transforms import transform_points


def usable_depth(depth: Float[Tensor, "*batch"]) -> Bool[Tensor, "*batch"]:
    """True where a depth is finite and in front of the camera."""
    return torch.isfinite(depth) & (depth > 0)


def picked(values: Shaped[Tensor, "*batch"], where: Bool[Tensor, "*batch"]) -> Shaped[Tensor, " n"]:
    """``values[where]`` of tensors on the CPU, without 24 bytes of indices for each entry."""
    return torch.from_numpy(values.numpy()[where.numpy()])


def kth_smallest(values: Float[Tensor, " n"], index: int) -> float:
    """The value that would be at ``index`` if they were sorted, which they are in part: in place.

    On the CPU; none may be NaN.
    """
    array = values.numpy()
    array.partition(index)
    return float(array[index])


def most_confident(
    confidence: Float[Tensor, "*batch"],
    valid: Bool[Tensor, "*batch"],
    percentile: float,
    preferred: Bool[Tensor, "*batch"] | None = None,
) -> Bool[Tensor, "*batch"]:
    """The valid entries without the least confident ``percentile`` percent of them.

    By rank, because only the order of a network's confidence means something: an absolute threshold
    that suits one scene empties another. What ties with the threshold is kept, so a constant
    confidence keeps everything. Where the confidence is not finite, nothing is kept. Of the
    ``preferred`` entries none goes before all others have gone.
    """
    if not 0 <= percentile < 100:
        raise InputError(f"a percentile must be at least 0 and below 100, got {percentile}")
    valid = valid & torch.isfinite(confidence)
    num_dropped = int(int(valid.sum()) * percentile / 100)
    if preferred is None:
        return _without_least(confidence, valid, num_dropped)
    others = valid & ~preferred
    num_others = int(others.sum())
    if num_dropped < num_others:
        return _without_least(confidence, others, num_dropped) | (valid & preferred)
    return _without_least(confidence, valid & preferred, num_dropped - num_others)


def _without_least(
    confidence: Float[Tensor, "*batch"], valid: Bool[Tensor, "*batch"], num_dropped: int
) -> Bool[Tensor, "*batch"]:
    if num_dropped == 0:
        return valid
    threshold = kth_smallest(picked(confidence, valid), num_dropped)
    return valid & (confidence >= threshold)


def spread_sample(num_items: int, max_items: int, seed: int = 0) -> Int[Tensor, " kept"]:
    """At most ``max_items`` of ``num_items`` indices, ascending; the same ones on every call.

    A seeded draw rather than every n-th: a fixed stride over an image leaves stripes.
    """
    if num_items <= max_items:
        return torch.arange(num_items)
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(num_items, generator=generator)[:max_items].sort().values


def seen_by_depth(
    points_world: Float[Tensor, "points 3"],
    depth: Float[Tensor, "height width"],
    cam_from_world: Float[Tensor, "3 4"],
    intrinsics: Float[Tensor, "3 3"],
    tolerance: float,
    radial: Float[Tensor, ""] | None = None,
) -> tuple[Bool[Tensor, " points"], Float[Tensor, "points 2"]]:
    """Which points a view sees, and at which pixels of its depth map's grid.

    A point is seen where the view's own depth at that pixel (the nearest one) differs from the
    point's depth by at most ``tolerance`` of it: neither hidden behind a surface nor floating
    before one. Depth that is not usable sees nothing, nor does ``radial`` distortion beyond its
    fold.
    """
    height, width = depth.shape
    pixels, point_depth = project_points(points_world, cam_from_world, intrinsics, radial)
    size = pixels.new_tensor([width, height])
    inside = ((pixels >= 0) & (pixels < size)).all(-1) & (point_depth > 0)
    if radial is not None:
        rays = transform_points(cam_from_world, points_world)[:, :2] / point_depth[:, None]
        inside &= before_fold(rays, radial)
    x, y = torch.where(inside[:, None], pixels, 0.0).long().unbind(-1)
    surface = depth[y, x]
    agrees = (surface - point_depth).abs() <= tolerance * point_depth
    return inside & usable_depth(surface) & agrees, pixels
