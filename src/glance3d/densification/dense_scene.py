"""Depth measured again, from the photos and the refined cameras."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn.functional import pad

from glance3d.densification.completion import complete_depth
from glance3d.densification.consistency import mark_consistent
from glance3d.densification.measure import Sweep, confirmed, sweep_view
from glance3d.densification.options import SweepOptions
from glance3d.densification.pixel_grids import resample_view, with_pixel_grid
from glance3d.densification.views import SweepView, build_view, plan_grids, shown_size, shrink
from glance3d.errors import InputError
from glance3d.images import Originals
from glance3d.progress import ProgressBar
from glance3d.text import counted
from glance3d.types import Placement, Reconstruction
from glance3d.types.report_sections import DenseViewReport

#: As many pixels a photo as the published networks see.
DEFAULT_MAX_PIXELS = 518 * 392
#: A view takes some hundred megabytes while it is swept.
_MAX_WORKERS = 8
#: So many other views are asked whether they contradict a pixel.
_MAX_WITNESSES = 8


def densify(
    scene: Reconstruction,
    originals: Originals | Sequence[UInt8[np.ndarray, "_height _width 3"]],
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
        ``consistent`` is False where measured surfaces of other views contradict a pixel.

    Raises:
        InputError: the photos are not the scene's, or nothing says how far away things are.
    """
    dense = measure_depth(
        scene, originals, max_pixels=max_pixels, options=options, progress=progress
    )
    # What a mask leaves out still says which views overlap, but is never consistent itself.
    whole = replace(dense, mask=torch.ones_like(dense.mask))
    consistent = mark_consistent(whole, max_witnesses=_MAX_WITNESSES).consistent
    assert consistent is not None
    return replace(dense, consistent=consistent & dense.mask).masked()


def measure_depth(
    scene: Reconstruction,
    originals: Originals | Sequence[UInt8[np.ndarray, "_height _width 3"]],
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    options: SweepOptions | None = None,
    progress: bool = False,
) -> Reconstruction:
    """What :func:`densify` returns, not masked yet, and without ``consistent``."""
    options = options or SweepOptions()
    if len(originals) != scene.num_views:
        raise InputError(
            f"got {counted(len(originals), 'photo')} for a scene of "
            f"{counted(scene.num_views, 'view')}: give one a view"
        )
    sizes = [placement.original_size for placement in scene.placements]
    fine_grids = plan_grids(sizes, max_pixels)
    coarse_grids = plan_grids(sizes, max(64, round(max_pixels / options.coarseness**2)))
    colors, small = [], []
    for view in ProgressBar(range(scene.num_views), desc="reading photos", disable=not progress):
        colors.append(shrink(originals[view], fine_grids[view]))
        small.append(shrink(originals[view], coarse_grids[view]))
    fine = _build_views(scene, colors, fine_grids)
    coarse = _build_views(scene, small, coarse_grids)
    sweeps = _sweep_all(scene, coarse, fine, options, progress)
    sweeps = [_where_kept(sweep, view) for sweep, view in zip(sweeps, fine, strict=True)]
    kept = [confirmed(view, sweeps, fine, options) for view in range(scene.num_views)]
    return _assemble(scene, fine_grids, colors, sweeps, kept)


def _sweep_all(
    scene: Reconstruction,
    coarse: list[SweepView],
    fine: list[SweepView],
    options: SweepOptions,
    progress: bool,
) -> list[Sweep]:
    """Views side by side, each on one thread: their many small steps gain nothing from more.

    Threads that share one step wait for each other after each, which on a busy machine takes ten
    times as long as the step.
    """
    num_workers = min(torch.get_num_threads(), scene.num_views, _MAX_WORKERS)
    with ThreadPoolExecutor(num_workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        sweeps = pool.map(
            lambda view: sweep_view(scene, view, coarse, fine, options), range(scene.num_views)
        )
        bar = ProgressBar(sweeps, "measuring depth", scene.num_views, disable=not progress)
        return list(bar)


def _build_views(
    scene: Reconstruction, colors: list[Tensor], grids: tuple[Placement, ...]
) -> list[SweepView]:
    cameras = scene.cameras.on_grid(grids)
    keep: list[Tensor | None] = [None] * scene.num_views
    for view, mask in enumerate(scene.masks):
        if mask is not None:
            height, width = colors[view].shape[:2]
            keep[view] = mask.on_grid(grids[view])[:height, :width]
    return [build_view(photo, cameras, view, keep[view]) for view, photo in enumerate(colors)]


def _where_kept(sweep: Sweep, view: SweepView) -> Sweep:
    """What was found, but for what the photo's mask leaves out: it confirms nobody, either."""
    if view.kept is None:
        return sweep
    return replace(sweep, depth=sweep.depth * view.kept, score=sweep.score * view.kept)


def _assemble(
    scene: Reconstruction,
    grids: tuple[Placement, ...],
    colors: list[Tensor],
    sweeps: list[Sweep],
    kept: list[Tensor],
) -> Reconstruction:
    """All views on their common canvas, their unmeasured pixels filled."""
    width, height = grids[0].processed_size

    def canvas(parts: Iterable[Tensor], padding: int = 0) -> Tensor:
        rooms = ((part, width - part.shape[-1], height - part.shape[-2]) for part in parts)
        return torch.stack([pad(part, (0, x, 0, y), value=padding) for part, x, y in rooms])

    filled = [
        complete_depth(sweep.depth, part, guess)
        for sweep, part, guess in zip(
            sweeps, kept, _guesses(scene, scene.depth, grids), strict=True
        )
    ]
    ranks = None if scene.confidence is None else _ranks(scene.confidence, scene.mask)
    confidence = [
        torch.where(part, 2 + sweep.score.clamp(0, 1), 1 + (0 if rank is None else rank))
        for sweep, part, rank in zip(sweeps, kept, _guesses(scene, ranks, grids), strict=True)
    ]
    depth, measured = canvas(filled), canvas(kept)
    placements = tuple(
        replace(grid, exif_orientation=old.exif_orientation)
        for grid, old in zip(grids, scene.placements, strict=True)
    )
    pictures = canvas((photo.permute(2, 0, 1) for photo in colors), 255).permute(0, 2, 3, 1)
    dense = with_pixel_grid(scene, placements, pictures, depth, canvas(confidence), measured)
    report = scene.report.with_section("densification", _describe(scene, sweeps, kept))
    return replace(dense, report=report)


def _guesses(
    scene: Reconstruction, maps: Tensor | None, grids: tuple[Placement, ...]
) -> list[Float[Tensor, "_height _width"]] | list[None]:
    """What the scene said before, on each photo's part of the new grid."""
    if maps is None:
        return [None] * scene.num_views
    resampled = []
    for view, grid in enumerate(grids):
        width, height = shown_size(grid)
        resampled.append(resample_view(scene, maps, view, grid)[:height, :width])
    return resampled


def _ranks(
    confidence: Float[Tensor, "views height width"], mask: Bool[Tensor, "views height width"]
) -> Float[Tensor, "views height width"]:
    """What share of all pixels of all photos is less confident, 0 to 1."""
    known = torch.where(mask & confidence.isfinite(), confidence, -torch.inf)
    ordered = known[mask].sort().values
    rank = torch.searchsorted(ordered, known.flatten()).view_as(known)
    return rank / max(len(ordered), 1)


def _describe(
    scene: Reconstruction, sweeps: list[Sweep], kept: list[Tensor]
) -> dict[str, DenseViewReport]:
    return {
        name: DenseViewReport(
            tuple(scene.names[source] for source in sweep.sources),
            round(float(part.float().mean()), 4),
        )
        for name, sweep, part in zip(scene.names, sweeps, kept, strict=True)
    }
