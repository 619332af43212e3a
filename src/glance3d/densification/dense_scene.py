"""Depth measured again, from the photos and the refined cameras."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn.functional import pad
from tqdm import tqdm

from glance3d.densification.completion import complete_depth, resample_map
from glance3d.densification.measure import Sweep, confirmed, sweep_view
from glance3d.densification.options import SweepOptions
from glance3d.densification.views import SweepView, build_view, plan_grids, shrink
from glance3d.errors import InputError
from glance3d.geometry.cameras import unproject_depth
from glance3d.types import Placement, Reconstruction

#: As many pixels a photo as the published networks see.
DEFAULT_MAX_PIXELS = 518 * 392


def densify(
    scene: Reconstruction,
    originals: Sequence[UInt8[np.ndarray, "_height _width 3"]],
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    options: SweepOptions | None = None,
    progress: bool = False,
) -> Reconstruction:
    """The scene with depth measured from its photos, on a finer grid.

    Every view is compared with views from nearby by a sweep of planes through space (Collins 1996):
    zero-mean normalised cross-correlation, the best sources' mean against occlusion, semi-global
    smoothing, then a finer search about the surface on the full grid. What other views' depth maps
    confirm is ``measured``; elsewhere the network's depth stays, carried to the measured surface.

    Args:
        scene: Cameras that can be trusted to a pixel, and points or depth, which say between which
            depths to look.
        originals: The upright photos at their original size; an ``Originals`` or any sequence.
        max_pixels: Pixels of the new grid a photo; photos are never enlarged.
        options: How densely and strictly; see :class:`SweepOptions`.
        progress: Show a progress bar on stderr.

    Returns:
        The scene with new placements, colors, mask, depth, points, ``measured`` and ``confidence``:
        2 to 3 where measured, 1 to 2 elsewhere, in the order of the network's confidence.
        ``consistent`` is None: it belonged to the old depth.

    Raises:
        InputError: the photos are not the scene's, or nothing says how far away things are.
    """
    options = options or SweepOptions()
    if len(originals) != scene.num_views:
        raise InputError(f"{len(originals)} photos came for a scene of {scene.num_views} views")
    sizes = [placement.original_size for placement in scene.placements]
    fine_grids = plan_grids(sizes, max_pixels)
    coarse_grids = plan_grids(sizes, max(64, round(max_pixels / options.coarseness**2)))
    colors, small = [], []
    for view in tqdm(range(scene.num_views), desc="reading photos", disable=not progress):
        colors.append(shrink(originals[view], fine_grids[view]))
        small.append(shrink(originals[view], coarse_grids[view]))
    fine = _build_views(scene, colors, fine_grids)
    coarse = _build_views(scene, small, coarse_grids)
    views = tqdm(range(scene.num_views), desc="measuring depth", disable=not progress)
    sweeps = [sweep_view(scene, view, coarse, fine, options) for view in views]
    kept = [confirmed(view, sweeps, fine, options) for view in range(scene.num_views)]
    return _assemble(scene, fine_grids, colors, sweeps, kept)


def _build_views(
    scene: Reconstruction, colors: list[Tensor], grids: tuple[Placement, ...]
) -> list[SweepView]:
    cameras = scene.cameras.on_grid(grids)
    return [build_view(photo, cameras, view) for view, photo in enumerate(colors)]


def _assemble(
    scene: Reconstruction,
    grids: tuple[Placement, ...],
    colors: list[Tensor],
    sweeps: list[Sweep],
    kept: list[Tensor],
) -> Reconstruction:
    """All views on their common canvas, their unmeasured pixels filled."""
    width, height = grids[0].processed_size

    def canvas(part: Tensor, padding: int = 0) -> Tensor:
        room = width - part.shape[-1], height - part.shape[-2]
        return pad(part, (0, room[0], 0, room[1]), value=padding)

    def guess(values: Tensor, view: int, mode: str) -> Tensor:
        whole = resample_map(values, scene.placements[view], grids[view], mode)
        return whole[: kept[view].shape[0], : kept[view].shape[1]]

    depth, confidence = [], []
    for view, sweep in enumerate(sweeps):
        rough = None if scene.depth is None else guess(scene.depth[view], view, "bilinear")
        depth.append(canvas(complete_depth(sweep.depth, kept[view], rough)))
        order = torch.ones_like(sweep.score)
        if scene.confidence is not None:
            order += guess(_ranks(scene.confidence, scene.mask)[view], view, "bilinear")
        certain = 2 + sweep.score.clamp(0, 1)
        confidence.append(canvas(torch.where(kept[view], certain, order)))
    cameras = scene.cameras.on_grid(grids)
    depths = torch.stack(depth)
    return replace(
        scene,
        placements=tuple(
            replace(grid, exif_orientation=old.exif_orientation)
            for grid, old in zip(grids, scene.placements, strict=True)
        ),
        colors=torch.stack([canvas(photo.permute(2, 0, 1), 255) for photo in colors]).permute(
            0, 2, 3, 1
        ),
        mask=torch.stack([grid.content_mask() for grid in grids]),
        depth=depths,
        points_world=unproject_depth(
            depths, cameras.cam_from_world, cameras.intrinsics, radial=cameras.radial
        ),
        points_from="depth",
        confidence=torch.stack(confidence),
        measured=torch.stack([canvas(part) for part in kept]),
        consistent=None,
        report={**scene.report, "densification": _describe(scene, sweeps, kept)},
    )


def _ranks(
    confidence: Float[Tensor, "views height width"], mask: Bool[Tensor, "views height width"]
) -> Float[Tensor, "views height width"]:
    """What share of all pixels of all photos is less confident, 0 to 1."""
    known = torch.where(mask & confidence.isfinite(), confidence, -torch.inf)
    ordered = known[mask].sort().values
    rank = torch.searchsorted(ordered, known.flatten()).view_as(known)
    return rank / max(len(ordered), 1)


def _describe(scene: Reconstruction, sweeps: list[Sweep], kept: list[Tensor]) -> dict[str, object]:
    return {
        name: {
            "compared_with": [scene.names[source] for source in sweep.sources],
            "measured_share": round(float(part.float().mean()), 4),
        }
        for name, sweep, part in zip(scene.names, sweeps, kept, strict=True)
    }
