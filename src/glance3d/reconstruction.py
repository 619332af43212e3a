"""The front door: photos in, a scene out."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from glance3d import report as describe
from glance3d.errors import InputError
from glance3d.images import ClipSampling, MaskSources, Preprocessing, load_images
from glance3d.known_cameras import KnownCameras, match_known_cameras
from glance3d.models import VGGT, load_model
from glance3d.models.aggregator import IMAGE_MEAN
from glance3d.models.memory.plan import MemoryPlan
from glance3d.models.reference_view import ReferenceChoice, choose_reference
from glance3d.models.zoo import outline_model
from glance3d.prediction import device_of, plan_of, predict_from, predict_windows
from glance3d.types import TRACK_PIXEL_SHIFT, ImageBatch, PhotoMask, Reconstruction
from glance3d.windows import WindowAlignment, WindowOptions, describe_windows, window_warnings

logger = logging.getLogger(__name__)


def reconstruct(
    sources: Any,
    *,
    model: str | Path | VGGT = "glance-small",
    weights: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    preprocess: str | Mapping[str, Any] | Preprocessing | None = None,
    outputs: Sequence[str] = ("camera", "depth"),
    query_points: Sequence[Sequence[float]] | Tensor | None = None,
    attention: str = "full",
    window: int | None = None,
    overlap: int | None = None,
    masks: MaskSources | None = None,
    mask_input: bool = False,
    reference: str | int = "first",
    known: KnownCameras | None = None,
    fps: float | None = None,
    views: int | None = None,
    on_loaded: Callable[[ImageBatch], None] | None = None,
    progress: bool = False,
) -> Reconstruction:
    """Cameras, depth and points of the photos in ``sources``, from one pass of the network.

    Args:
        sources: A folder, a file, a glob, or a list of files, Pillow images or arrays; see
            :func:`glance3d.load_images`.
        model: A known model's name (``glance3d.list_cards()``), a weights file, or a loaded model,
            which is used as it is: ``weights``, ``device`` and ``precision`` do not apply then.
        weights: A ``.safetensors`` or ``.pt`` file to use instead of the model's own weights.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` ...
        precision: ``"auto"``, ``"float32"`` or ``"bfloat16"``.
        preprocess: A mode (``"fit"``, ``"crop"``, ``"pad"``), the fields of the model's own
            ``Preprocessing`` to change, such as ``{"max_pixels": 100_000}``, or a whole one.
        outputs: Of ``camera``, ``depth``, ``points`` and ``tracks``. Cameras always come.
        query_points: ``[N, 2]`` pixels (x, y) of the reference photo, upright and at its original
            size, to follow through all views.
        attention: ``"full"``, or ``"thin"``: approximate and faster for many views, see
            :mod:`glance3d.models.sparse_keys`; the report says so.
        window: Show the network at most so many views at once, in windows of neighbours that
            overlap and are joined by what they share: approximate, for more views than memory or
            patience allow; see :mod:`glance3d.windows`. The report says how well windows agree.
        overlap: How many views neighbouring windows share at least; by default a quarter.
        masks: Which part of each photo counts: a folder of images called as the photos are (white
            keeps), or a list with a file, image or array for each photo, see
            :mod:`glance3d.images.masks`. The rest is in no depth, no point, no track, no refinement
            and no export. A photo without a mask counts as a whole.
        mask_input: Let the network, too, see only what counts, and elsewhere the colour that is
            nothing to it (ImageNet's mean, a grey). By default it sees the whole photo: painted-out
            silhouettes are shapes, too, and mislead it.
        reference: The view that the network sees first and whose frame the world is: ``"first"``,
            ``"auto"`` (the one that has most in common with the others), or a photo's name or
            number. The views stay in the order of ``sources``.
        known: Cameras that are known beforehand (``glance3d.load_known_cameras``). Their focal
            lengths go before those in the photos' EXIF: where a network's cameras start from
            matches (``glance-small``), they start from them. Poses and the rest of the intrinsics
            are for :func:`glance3d.refine` and :func:`glance3d.apply_metric_scale`.
        fps: Of every clip among the sources one frame for each 1 / fps seconds, the sharpest.
        views: Of every clip at most so many frames. With neither, a new view whenever an eighth of
            the picture has moved on, 8 to 32 a clip; frames that show the same are one view.
        on_loaded: Called with the loaded photos before the network runs; what it raises ends the
            run.
        progress: Show progress bars on stderr.

    Returns:
        The scene; ``scene.report`` says how it was made.

    Raises:
        Glance3DError: A photo, model or argument cannot be used; the message says which and why.
    """
    sampling = ClipSampling(fps=fps, views=views)
    windows = window_options(
        window, overlap, follows="tracks" in outputs or query_points is not None
    )
    times = describe.StageTimes()
    with ThreadPoolExecutor(1) as aside:  # photos are decoded while the weights are read
        with times.stage("load_model"):
            outline = (
                model
                if isinstance(model, VGGT)
                else outline_model(model, weights, device, precision)
            )
            preprocessing = preprocessing_of(preprocess, outline)
            loading = aside.submit(
                load_images,
                sources,
                preprocessing,
                masks=masks,
                sampling=sampling,
                progress=progress,
            )
            network = model_of(model, weights, device, precision)
        with times.stage("load_images"):
            batch = loading.result()
            if known is not None:
                batch = replace(batch, known_focal_lengths=known.for_scene(batch).focal_lengths)
    if on_loaded is not None:
        on_loaded(batch)
    asked = _outputs_of(outputs, query_points)
    if mask_input and not any(batch.masks):
        raise InputError("mask_input speaks of masks: give masks as well")
    with times.stage("predict"):
        choice = choose_reference(network, batch, reference)
        logger.info("reference view: %s, %s", batch.names[choice.view], choice.reason)
        queries = _query_points_of(query_points, batch, choice.view)
        shown = painted_out(batch) if mask_input else batch
        joins: tuple[WindowAlignment, ...] = ()
        if windows is not None and windows.divides(len(batch.names)):
            predictions, joins = predict_windows(
                network, shown, windows, choice.view, asked, attention, progress=progress
            )
        else:
            predictions = predict_from(
                network, shown, choice.view, asked, queries, attention, progress=progress
            )
    name = network.config.name
    with times.stage("to_scene"):
        scene = predictions.to_reconstruction(batch, model=name)
        scene = _with_reference(scene, choice.view)
    plan = plan_of(network, batch, asked, windows)
    report = _report(network, batch, preprocessing, asked, queries, times, scene, choice, plan)
    report["masks"] = describe.describe_masks(batch.names, batch.masks, mask_input)
    report["attention"] = describe.describe_attention(network, attention)
    report["fast_paths"] = describe.describe_fast_paths()
    report["warnings"] += describe.attention_warnings(report["attention"], device_of(network))
    report["windows"] = describe_windows(windows, joins, batch.names)
    report["warnings"] += window_warnings(windows, joins, batch.names)
    if known is not None:
        known_views = match_known_cameras(known, scene)
        report["known_cameras"] = known_views.describe()
        report["warnings"] += known_views.warnings
    for warning in report["warnings"]:
        logger.warning("warning: %s", warning)
    return replace(scene, report=report)


def painted_out(batch: ImageBatch) -> ImageBatch:
    """The batch with what does not count in the colour that the network takes for nothing."""
    nothing = batch.images.new_tensor(IMAGE_MEAN)[:, None, None]
    hidden = batch.content_mask & ~batch.usable_mask
    return replace(batch, images=torch.where(hidden[:, None], nothing, batch.images))


def _with_reference(scene: Reconstruction, reference: int) -> Reconstruction:
    tracks = scene.tracks
    if tracks is not None and reference != 0:  # without query views they are the first view's
        views = torch.full((tracks.positions.shape[1],), reference)
        tracks = replace(tracks, query_views=views)
    return replace(scene, reference_view=reference, tracks=tracks)


def model_of(
    model: str | Path | VGGT,
    weights: str | Path | None,
    device: str,
    precision: str,
) -> VGGT:
    """A loaded model as it is; anything else is loaded."""
    if isinstance(model, VGGT):
        return model
    return load_model(model, weights=weights, device=device, precision=precision)


def preprocessing_of(
    preprocess: str | Mapping[str, Any] | Preprocessing | None, network: VGGT
) -> Preprocessing:
    """The model's preprocessing with what was asked for changed."""
    if isinstance(preprocess, Preprocessing):
        return preprocess
    own = network.preprocessing
    asked = {"mode": preprocess} if isinstance(preprocess, str) else preprocess
    changes: dict[str, Any] = dict(asked or {})
    unknown = sorted(changes.keys() - {field.name for field in fields(own)})
    if unknown:
        raise InputError(f"unknown preprocessing field {', '.join(unknown)}")
    if "size" not in changes and own.size % own.patch_size:
        # The published size does not suit this patch: a square of the model's pixel budget does.
        side = math.isqrt(own.max_pixels) // own.patch_size * own.patch_size
        changes["size"] = max(side, own.patch_size)
    return replace(own, **changes)


def window_options(
    window: int | None, overlap: int | None, *, follows: bool = False
) -> WindowOptions | None:
    """What was asked for, or one sentence on why it cannot be; None without windows."""
    if window is None:
        if overlap is not None:
            raise InputError("overlap speaks of windows: give window as well")
        return None
    if follows:
        raise InputError(
            "query points are followed only where one pass sees all views: leave out window, or "
            "follow them in the finished scene (glance3d.track, glance3d track)"
        )
    return WindowOptions(window, overlap)


def _outputs_of(outputs: Sequence[str], query_points: object) -> tuple[str, ...]:
    """What the network is asked for; what it does not know, it refuses itself."""
    if isinstance(outputs, str):
        raise InputError(f"outputs must be a list of names such as ('camera',), got {outputs!r}")
    asked = dict.fromkeys(("camera", *outputs))
    if query_points is not None:
        asked["tracks"] = None
    elif "tracks" in asked:
        raise InputError("tracks need query points: pixels (x, y) of the reference photo")
    return tuple(asked)


def _query_points_of(
    query_points: Sequence[Sequence[float]] | Tensor | None, batch: ImageBatch, reference: int
) -> Tensor | None:
    """Query points of the original reference photo, as the network counts pixels of its grid."""
    if query_points is None:
        return None
    points = torch.as_tensor(query_points, dtype=torch.float32)
    if points.ndim != 2 or points.shape[-1] != 2 or not len(points):
        raise InputError(f"query points must be [N, 2] pixels (x, y), got {tuple(points.shape)}")
    placement, name = batch.placements[reference], batch.names[reference]
    refuse_outside(points, points, placement.original_size, f"the photo {name}")
    refuse_masked(points, batch.masks[reference] if batch.masks else None, name)
    on_grid = placement.to_processed(points)
    seen = f"the part of {name} that the network sees"
    refuse_outside(points, on_grid, placement.processed_size, seen)
    last = on_grid.new_tensor(placement.processed_size) - 1
    return torch.minimum((on_grid - TRACK_PIXEL_SHIFT).clamp(min=0), last)


def refuse_outside(points: Tensor, at: Tensor, size: tuple[int, int], what: str) -> None:
    """Name the first of ``points`` that, taken to ``at``, lies outside an image of this size."""
    slack = 1e-3  # of a pixel, for rounding on the way
    outside = ((at < -slack) | (at > at.new_tensor(size) + slack) | ~at.isfinite()).any(-1)
    if outside.any():
        x, y = points[outside][0].tolist()
        raise InputError(f"query point ({x:g}, {y:g}) lies outside {what}: {size[0]} x {size[1]}")


def refuse_masked(points: Tensor, mask: PhotoMask | None, name: str) -> None:
    """Name the first of ``points`` (pixels of the original photo) that its mask leaves out."""
    if mask is None:
        return
    left_out = ~mask.keeps(points)
    if left_out.any():
        x, y = points[left_out][0].tolist()
        raise InputError(f"query point ({x:g}, {y:g}) lies where the mask of {name} leaves it out")


def _report(
    network: VGGT,
    batch: ImageBatch,
    preprocessing: Preprocessing,
    outputs: tuple[str, ...],
    query_points: Tensor | None,
    times: describe.StageTimes,
    scene: Reconstruction,
    choice: ReferenceChoice,
    plan: MemoryPlan,
) -> dict[str, Any]:
    device = device_of(network)
    return {
        "schema": "glance3d.report/1",
        "created": describe.now(),
        "versions": describe.describe_versions(),
        "machine": describe.describe_machine(device),
        "model": describe.describe_model(network),
        "preprocessing": asdict(preprocessing),
        "outputs": outputs,
        "num_views": scene.num_views,
        "reference_view": batch.names[choice.view],
        "reference": choice.describe(batch.names),
        "processed_size": batch.placements[0].processed_size,
        "views": describe.describe_views(batch),
        "stated_focal_lengths": describe.describe_focal_lengths(batch),
        "num_query_points": 0 if query_points is None else len(query_points),
        "skipped": [asdict(photo) for photo in batch.skipped],
        "clips": [asdict(clip) for clip in batch.clips],
        "warnings": [
            *describe.model_warnings(network),
            *describe.photo_warnings(batch),
            *(warning for clip in batch.clips for warning in clip.warnings),
            *describe.mask_warnings(batch),
            *describe.scene_warnings(scene, batch.known_focal_lengths),
        ],
        "times": {**times.seconds, "total": describe.total(times.seconds)},
        "memory": {
            **describe.describe_memory(device),
            "planned": plan.peak,
        },
    }
