"""The points that are worth writing, with the pixel that each came from."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from glance3d.errors import SceneError
from glance3d.geometry.filter import most_confident, spread_sample, usable_depth
from glance3d.geometry.transforms import transform_points
from glance3d.types import Placement, Reconstruction


@dataclass(frozen=True)
class PointCloud:
    """Coloured points in the world, each one pixel of one view.

    ``pixels_original`` are the centres of those pixels on the original, upright photos.
    ``num_confident`` counts the points before the budget thinned them.
    """

    points_world: Float[Tensor, "points 3"]
    colors: UInt8[Tensor, "points 3"]
    view_indices: Int[Tensor, "points"]
    pixels_original: Float[Tensor, "points 2"]
    num_confident: int

    def __len__(self) -> int:
        return len(self.points_world)


def confident_pixels(
    scene: Reconstruction, percentile: float, measured_only: bool = False
) -> Bool[Tensor, "views h w"]:
    """Where a pixel shows a photo, has a usable depth, and is not among the least confident.

    Percentiles are of the whole scene, since confidences of one forward pass are comparable between
    views: a failed view may be left out as a whole, rather than a share of each good one. Depth
    that contradicts other views is left out first; measured depth only after all guessed depth.
    """
    if scene.points_world is None:
        raise SceneError(
            "this scene has no points: reconstruct it with the 'depth' or 'points' output"
        )
    valid, depth = scene.mask.clone(), points_depth(scene)
    for view, points in enumerate(scene.points_world):  # one at a time: there may be thousands
        valid[view] &= usable_depth(depth[view]) & torch.isfinite(points).all(-1)
    if scene.consistent is not None:
        valid &= scene.consistent
    if measured_only and scene.measured is not None:
        valid &= scene.measured
    if scene.confidence is None:
        return valid
    return most_confident(scene.confidence, valid, percentile, scene.measured)


def has_points(scene: Reconstruction) -> bool:
    """Whether any pixel of the scene can become a point."""
    return scene.points_world is not None and bool(confident_pixels(scene, 0.0).any())


def points_depth(scene: Reconstruction) -> Float[Tensor, "views h w"]:
    """The z-depth of every pixel's point in its own camera: the depth map, if there is one."""
    if scene.depth is not None and scene.points_from == "depth":
        return scene.depth
    if scene.points_world is None:
        raise SceneError("this scene has neither depth nor points")
    return torch.stack(
        [
            transform_points(pose, points.flatten(0, 1))[:, 2].unflatten(0, points.shape[:2])
            for pose, points in zip(scene.cameras.cam_from_world, scene.points_world, strict=True)
        ]
    )


def select_points(
    scene: Reconstruction, percentile: float, max_points: int, measured_only: bool = False
) -> PointCloud:
    """The confident points, at most ``max_points`` of them, the same ones on every call.

    A budget that does not hold all is spent on measured points first.
    """
    keep = confident_pixels(scene, percentile, measured_only)
    num_confident = int(keep.sum())
    flat = _within_budget(keep, scene.measured, max_points)
    height, width = keep.shape[-2:]
    view_indices = flat // (height * width)
    x, y = flat % width + 0.5, flat // width % height + 0.5
    assert scene.points_world is not None  # confident_pixels has refused that already
    return PointCloud(
        points_world=scene.points_world.flatten(0, 2)[flat],
        colors=scene.colors.flatten(0, 2)[flat],
        view_indices=view_indices,
        pixels_original=to_original(
            torch.stack([x, y], -1).double(), scene.placements, view_indices
        ),
        num_confident=num_confident,
    )


def _within_budget(
    keep: Bool[Tensor, "views h w"], measured: Bool[Tensor, "views h w"] | None, max_points: int
) -> Int[Tensor, " kept"]:
    """Flat indices, ascending."""
    if measured is None:
        return _spread_over(keep, max_points)
    sure = _spread_over(keep & measured, max_points)
    guessed = _spread_over(keep & ~measured, max_points - len(sure))
    return torch.cat([sure, guessed]).sort().values


def _spread_over(keep: Bool[Tensor, "views h w"], max_points: int) -> Int[Tensor, " kept"]:
    """Flat indices of a sample of what is kept, ascending."""
    chosen = spread_sample(int(keep.sum()), max_points)
    found, num_before = [], 0
    for view, kept in enumerate(keep):  # a view's indices at a time: those of all take 8 bytes each
        flat = kept.flatten().nonzero().squeeze(-1)
        bounds = chosen.new_tensor([num_before, num_before + len(flat)])
        start, stop = torch.searchsorted(chosen, bounds).tolist()
        found.append(flat[chosen[start:stop] - num_before] + view * kept.numel())
        num_before += len(flat)
    return torch.cat(found)


def to_original(
    pixels_processed: Float[Tensor, "points 2"],
    placements: tuple[Placement, ...],
    view_indices: Int[Tensor, "points"],
) -> Float[Tensor, "points 2"]:
    """Pixels of several views' grids, each on its own original photo."""
    scale = pixels_processed.new_tensor([placement.scale for placement in placements])
    offset = pixels_processed.new_tensor([placement.offset for placement in placements])
    return (pixels_processed - offset[view_indices]) / scale[view_indices]


def to_processed(
    pixels_original: Float[Tensor, "points 2"],
    placements: tuple[Placement, ...],
    view_indices: Int[Tensor, "points"],
) -> Float[Tensor, "points 2"]:
    """Pixels of several original photos, each on its own view's grid."""
    scale = pixels_original.new_tensor([placement.scale for placement in placements])
    offset = pixels_original.new_tensor([placement.offset for placement in placements])
    return pixels_original * scale[view_indices] + offset[view_indices]
