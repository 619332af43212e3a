"""The front door: photos in, a scene out."""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from glance3d.errors import InputError
from glance3d.images import ClipSampling, InputOptions, MaskSources, Preprocessing
from glance3d.images.masks import check_mask_folder
from glance3d.known_cameras import (
    KnownCameras,
    KnownViews,
    in_given_world,
    match_known_cameras,
    settle_by_poses,
)
from glance3d.models import ModelSource, Network
from glance3d.models.normalisation import IMAGE_MEAN
from glance3d.models.reference_view import choose_reference
from glance3d.pass_options import PassOptions
from glance3d.prediction import plan_of, predict_and_align, refuse_impossible
from glance3d.reporting.given_cameras import describe_given_cameras
from glance3d.reporting.making import describe_making, describe_photos
from glance3d.reporting.times import StageTimes
from glance3d.reporting.warnings import warnings_of_making
from glance3d.types import ImageBatch, Reconstruction, Report, ReportWarning
from glance3d.windows.disk import WindowFolder

logger = logging.getLogger(__name__)


def reconstruct(
    sources: Any,
    *,
    model: str | Path | Network = "glance-small",
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
    cameras_from: str = "decoder",
    known: KnownCameras | None = None,
    fps: float | None = None,
    views: int | None = None,
    on_loaded: Callable[[ImageBatch], None] | None = None,
    progress: bool = False,
    adapter: str | Path | None = None,
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
        preprocess: A mode (such as ``"fit"``), the fields of the model's own
            ``Preprocessing`` to change, such as ``{"max_pixels": 100_000}``, or a whole one.
        outputs: Of ``camera``, ``depth``, ``points`` and ``tracks``. Cameras always come.
        query_points: ``[N, 2]`` pixels (x, y) of the reference photo, upright and at its original
            size, to follow through all views.
        attention: ``"full"``, or ``"thin"``: approximate and faster for many views, see
            :mod:`glance3d.models.sparse_keys`; the report says so.
        window: Show the network at most this many views at once, in overlapping windows of
            neighbours that are then aligned: approximate, for more views than fit into memory; see
            :mod:`glance3d.windows`. The report says how well windows agree.
        overlap: How many views neighbouring windows share at least; by default a quarter.
        masks: A folder of masks, named like the photos, or a list with a file, image or array for
            each photo, see :mod:`glance3d.images.masks`. Black pixels are excluded everywhere: from
            depth, points, tracks, refinement and exports. A photo without a mask is used whole.
        mask_input: Hide what masks exclude from the network as well, in a neutral grey (ImageNet's
            mean). By default it sees whole photos, because silhouettes mislead it.
        reference: The view that the network sees first; the world is its camera's frame.
            ``"first"``, ``"auto"`` (the one most like the others), or a photo's name or number. The
            views stay in the order of ``sources``.
        cameras_from: ``"decoder"``, or ``"rays"`` for a network that predicts rays (``da3-small``):
            slower, and another estimate.
        known: Cameras that are known beforehand (``glance3d.load_known_cameras``). A network that
            takes cameras (``da3-small``) is shown them if the pose and the intrinsics of every
            photo are known: the scene then has these cameras, in their world. Of other networks,
            those whose cameras start from matches (``glance-small``) use focal lengths, before
            those in the photos' EXIF. Poses and the other intrinsics are used by
            :func:`glance3d.refine` and :func:`glance3d.apply_metric_scale`.
        fps: Take the sharpest frame of every 1 / fps seconds of a clip.
        views: Take at most this many frames of a clip. With neither: a frame whenever an eighth of
            the picture is new, 8 to 32 a clip; frames that show the same are taken once.
        on_loaded: Called with the loaded photos before the network runs; what it raises ends the
            run.
        progress: Show progress bars on stderr.
        adapter: A folder that ``glance3d finetune`` or peft wrote for this model, see
            :func:`glance3d.load_model`.

    Returns:
        The scene; ``scene.report`` says how it was made.

    Raises:
        Glance3DError: A photo, model or argument cannot be used; the message says which and why.
    """
    return reconstruct_scene(
        sources,
        ModelSource(model, weights, device, precision, adapter=adapter),
        InputOptions(preprocess, masks, mask_input, ClipSampling(fps=fps, views=views)),
        PassOptions(
            outputs or ("camera",),
            query_points,
            attention,
            window,
            overlap,
            reference,
            cameras_from,
        ),
        known=known,
        on_loaded=on_loaded,
        progress=progress,
    )


def reconstruct_scene(
    sources: Any,
    source: ModelSource,
    inputs: InputOptions,
    options: PassOptions,
    *,
    known: KnownCameras | None = None,
    on_loaded: Callable[[ImageBatch], None] | None = None,
    keep_in: WindowFolder | None = None,
    on_predicted: Callable[[], None] | None = None,
    progress: bool = False,
) -> Reconstruction:
    """As :func:`reconstruct`, which packs its arguments once; windows wait in ``keep_in``, if any.

    ``on_predicted`` is called when the network has run, which is as far as ranks share the work;
    windows that wait in a folder of the first rank are known to no other.

    Raises:
        OutputError: the disk of that folder has no room for them.
    """
    refuse_impossible_scene(source.outline(), inputs, options)
    options = replace(options, outputs=("camera", *options.outputs))  # a scene has cameras
    mask_input = inputs.mask_input
    times = StageTimes()
    with ThreadPoolExecutor(1) as background:  # photos are decoded while the weights are read
        with times.stage("load_model"):
            own = source.outline().preprocessing
            preprocessing = inputs.preprocessing(own)
            loading = background.submit(inputs.load, sources, own, progress=progress)
            network = source.load()
        with times.stage("load_images"):
            batch = loading.result()
            known_views = None if known is None else match_known_cameras(known, batch)
            if known_views is not None:
                batch = _knowing(batch, known_views)
    if on_loaded is not None:
        on_loaded(batch)
    with times.stage("predict"):
        shown = painted_out(batch) if mask_input else batch
        choice = choose_reference(network, shown, options.reference)
        logger.info("reference view: %s, %s", batch.names[choice.view], choice.reason)
        result = predict_and_align(
            network, shown, options, choice=choice, keep_in=keep_in, progress=progress
        )
    on_disk = keep_in is not None
    plan = plan_of(network, batch, options.computed, options.windows, on_disk=on_disk)
    if on_predicted is not None:
        on_predicted()
    name = network.config.name
    with times.stage("to_scene"):
        scene = result.predictions.to_reconstruction(batch, model=name)
        scene = _with_reference(scene, choice.view)
        if known_views is not None and batch.known_cameras is not None and result.given_fits:
            has_scale = None not in result.given_fits
            scene = in_given_world(scene, batch.known_cameras, known_views, has_scale=has_scale)
    graph = result.graph
    made = describe_making(
        network, batch, preprocessing, options, choice, plan, graph, result.groups
    )
    if known_views is not None:
        given = describe_given_cameras(network, known_views.lack, result.given_fits)
        made = replace(made, given_cameras=given)
    report = Report(made=made, photos=describe_photos(batch, mask_input))
    for stage, seconds in times.seconds.items():
        report = report.with_seconds(stage, seconds)
    report = report.with_warnings(
        warnings_of_making(network, batch, scene, made, options.windows, graph)
    )
    if known is not None:
        known_views = settle_by_poses(match_known_cameras(known, scene), scene)
        texts = ReportWarning.each("known_cameras", "known_cameras", known_views.warnings)
        report = report.with_section("known_cameras", known_views.describe(), texts)
    for warning in report.warnings:
        logger.warning("warning: %s", warning)
    return replace(scene, report=report, mask_input=mask_input)


def refuse_impossible_scene(network: Network, inputs: InputOptions, options: PassOptions) -> None:
    """Refuse what no photos could become a scene by, of this network, which may be an outline.

    Raises:
        Glance3DError: an option cannot be used with this network, or there is no folder of masks.
    """
    if "rays" in options.outputs:
        raise InputError("outputs of a scene must not hold 'rays': get them by glance3d.predict")
    refuse_impossible(network, options)
    inputs.preprocessing(network.preprocessing)
    if isinstance(inputs.masks, str | Path):
        check_mask_folder(Path(inputs.masks))


def _knowing(batch: ImageBatch, known: KnownViews) -> ImageBatch:
    """The batch with what is known of its photos' cameras."""
    sizes = [placement.original_size for placement in batch.placements]
    return replace(
        batch, known_focal_lengths=known.focal_lengths, known_cameras=known.cameras(sizes)
    )


def painted_out(batch: ImageBatch) -> ImageBatch:
    """The batch with what does not count in the colour that the network takes for nothing."""
    return replace(batch, hidden_color=IMAGE_MEAN)


def _with_reference(scene: Reconstruction, reference: int) -> Reconstruction:
    tracks = scene.tracks
    if tracks is not None and reference != 0:  # without query views they are the first view's
        views = torch.full((tracks.positions.shape[1],), reference)
        tracks = replace(tracks, query_views=views)
    return replace(scene, reference_view=reference, tracks=tracks)
