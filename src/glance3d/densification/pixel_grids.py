"""A scene on another pixel grid: its maps resampled, everything else recomputed for it."""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn.functional import grid_sample

from glance3d.geometry.cameras import pixel_grid, unproject_depth
from glance3d.types import Placement, Reconstruction, kept_on_grids


def with_pixel_grid(
    scene: Reconstruction,
    placements: tuple[Placement, ...],
    colors: UInt8[Tensor, "views height width 3"],
    depth: Float[Tensor, "views height width"] | None,
    confidence: Float[Tensor, "views height width"] | None,
    measured: Bool[Tensor, "views height width"] | None = None,
) -> Reconstruction:
    """The scene with these maps on the grid of ``placements``; points follow from depth.

    What is consistent is not known there yet.
    """
    cameras, points = scene.cameras.on_grid(placements), None
    if depth is not None:
        poses, intrinsics = cameras.cam_from_world, cameras.intrinsics
        points = unproject_depth(depth, poses, intrinsics, radial=cameras.radial)
    return replace(
        scene,
        placements=placements,
        colors=colors,
        mask=kept_on_grids(placements, scene.masks),
        depth=depth,
        points_world=points,
        points_from=None if depth is None else "depth",
        confidence=confidence,
        measured=measured,
        consistent=None,
    )


def resample_view(
    scene: Reconstruction, maps: Float[Tensor, "views _height _width"], view: int, target: Placement
) -> Float[Tensor, "height width"]:
    """One view's map on another grid; without what its photo's mask leaves out."""
    source = scene.placements[view]
    if scene.has_masks:
        return resample_known(maps[view], scene.mask[view], source, target)
    return resample_map(maps[view], source, target)


def resample_map(
    values: Float[Tensor, "_height _width"], source: Placement, target: Placement
) -> Float[Tensor, "height width"]:
    """A map on the grid of ``source`` on that of ``target``, two grids of one photo: bilinear."""
    width, height = target.processed_size
    pixels = source.to_processed(target.to_original(pixel_grid(height, width).flatten(0, 1)))
    size = pixels.new_tensor(source.processed_size)
    positions = (pixels * 2 / size - 1).view(1, height, width, 2)
    sampled = grid_sample(values[None, None], positions, padding_mode="border", align_corners=False)
    return sampled[0, 0]


def resample_known(
    values: Float[Tensor, "_height _width"],
    known: Bool[Tensor, "_height _width"],
    source: Placement,
    target: Placement,
) -> Float[Tensor, "height width"]:
    """As :func:`resample_map`, of what is known alone: nothing unknown is mixed in.

    0 where nothing known is near.
    """
    weight = resample_map(known.to(values.dtype), source, target)
    sums = resample_map(torch.where(known, values, 0), source, target)
    return torch.where(weight > 0, sums / weight.clamp(min=1e-6), 0)
