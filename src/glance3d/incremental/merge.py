"""Merge two scenes of one world: the views of the second follow those of the first."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from glance3d.densification.pixel_grids import resample_view, with_pixel_grid
from glance3d.densification.views import shrink
from glance3d.images import Originals
from glance3d.types import (
    Cameras,
    Masks,
    PhotoContents,
    PhotoMetadata,
    Placement,
    Reconstruction,
)

_WHITE = 255


def resample_to_canvas(
    new: Reconstruction, scene: Reconstruction, originals: Originals
) -> Reconstruction:
    """``new`` on the pixel grid of ``scene``: whole photos, as large as its canvas allows."""
    canvas = scene.placements[0].processed_size
    placements = tuple(_fit_to_canvas(old, canvas) for old in new.placements)
    colors = [_photo_on(originals[view], placement) for view, placement in enumerate(placements)]
    depth, confidence = (_resampled(new, maps, placements) for maps in (new.depth, new.confidence))
    return with_pixel_grid(new, placements, torch.stack(colors), depth, confidence).masked()


def _resampled(
    scene: Reconstruction, maps: Tensor | None, placements: tuple[Placement, ...]
) -> Tensor | None:
    if maps is None:
        return None
    views = [
        resample_view(scene, maps, view, placement) for view, placement in enumerate(placements)
    ]
    return torch.stack(views)


def _fit_to_canvas(old: Placement, canvas: tuple[int, int]) -> Placement:
    """The whole photo at the canvas's top left corner, never enlarged."""
    width, height = old.original_size
    factor = min(canvas[0] / width, canvas[1] / height, 1.0)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return Placement(
        old.original_size,
        canvas,
        (size[0] / width, size[1] / height),
        (0.0, 0.0),
        old.exif_orientation,
    )


def _photo_on(photo: np.ndarray, placement: Placement) -> Tensor:
    shown = shrink(photo, placement)
    width, height = placement.processed_size
    canvas = torch.full((height, width, 3), _WHITE, dtype=torch.uint8)
    canvas[: shown.shape[0], : shown.shape[1]] = shown
    return canvas


def merge(scene: Reconstruction, new: Reconstruction) -> Reconstruction:
    """The views of two scenes that share one grid and one world; sparse points are the first's.

    Depth, points and confidence that only one of them has are left out; the confidence of new
    pixels ranks below measured ones by their mask.
    """

    def concatenated(a: Tensor | None, b: Tensor | None) -> Tensor | None:
        return None if a is None or b is None else torch.cat([a, b.to(a.dtype)])

    def filled(a: Tensor | None, b: Tensor | None, neutral: bool) -> Tensor | None:
        """A mask that one of the two may lack; ``neutral`` stands in for it."""
        if a is None and b is None:
            return None
        first = torch.full_like(scene.mask, neutral) if a is None else a
        second = torch.full_like(new.mask, neutral) if b is None else b
        return torch.cat([first, second])

    unknown = (PhotoMetadata(),)
    return replace(
        scene,
        names=scene.names + new.names,
        sources=scene.sources + new.sources,
        placements=scene.placements + new.placements,
        cameras=_merged_cameras(scene.cameras, new.cameras),
        colors=torch.cat([scene.colors, new.colors]),
        mask=torch.cat([scene.mask, new.mask]),
        depth=concatenated(scene.depth, new.depth),
        points_world=concatenated(scene.points_world, new.points_world),
        confidence=concatenated(scene.confidence, new.confidence),
        tracks=None,
        tracked_by=None,
        registered_by=scene.registered_by and scene.registered_by + ("network",) * new.num_views,
        metadata=(scene.metadata or unknown * scene.num_views)
        + (new.metadata or unknown * new.num_views),
        consistent=filled(scene.consistent, new.consistent, neutral=True),
        measured=filled(scene.measured, new.measured, neutral=False),
        trust=None if scene.trust is None or new.trust is None else scene.trust + new.trust,
        masks=_merged_masks(scene, new),
        contents=_merged_contents(scene.contents, new.contents, scene, new),
        copies=_merged_contents(scene.copies, new.copies, scene, new),
    ).masked()


def _merged_masks(scene: Reconstruction, new: Reconstruction) -> Masks:
    """The masks of both scenes' views; empty if no view has one."""
    if not scene.has_masks and not new.has_masks:
        return ()
    return tuple(mask for part in (scene, new) for mask in part.masks or (None,) * part.num_views)


def _merged_contents(
    first: PhotoContents, second: PhotoContents, scene: Reconstruction, new: Reconstruction
) -> PhotoContents:
    """The contents of both scenes' files; empty if no view's is known."""
    if not any(first) and not any(second):
        return ()
    return (first or (None,) * scene.num_views) + (second or (None,) * new.num_views)


def _merged_cameras(first: Cameras, second: Cameras) -> Cameras:
    """New photos get camera ids of their own, until refinement shares them."""
    radial, camera_ids = None, None
    if first.radial is not None or second.radial is not None:
        zeros = [torch.zeros(len(cameras)) for cameras in (first, second)]
        radial = torch.cat(
            [
                zero if cameras.radial is None else cameras.radial
                for zero, cameras in zip(zeros, (first, second), strict=True)
            ]
        )
    if first.camera_ids is not None:
        start = int(first.camera_ids.max()) + 1
        camera_ids = torch.cat([first.camera_ids, torch.arange(len(second)) + start])
    return Cameras(
        torch.cat([first.cam_from_world, second.cam_from_world]),
        torch.cat([first.intrinsics, second.intrinsics]),
        torch.cat([first.image_sizes, second.image_sizes]),
        radial,
        camera_ids,
    )
