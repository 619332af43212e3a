"""``glance3d.track``: track points through photos, or through the photos of a scene."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.errors import InputError
from glance3d.images import InputOptions, MaskSources, Originals, Preprocessing, load_images
from glance3d.images.naming.view_names import ViewName
from glance3d.models import ModelSource, Network
from glance3d.models.config import Output
from glance3d.models.weights.cards import CARDS
from glance3d.pass_options import PassOptions
from glance3d.prediction import predict
from glance3d.tracking.build_tracker import build_tracker
from glance3d.tracking.by_geometry import GeometryTracker
from glance3d.tracking.feature_maps import predict_with_features
from glance3d.tracking.methods import (
    METHODS,
    finer_preprocessing,
    resolve_method,
    resolve_without_scene,
)
from glance3d.tracking.point_tracker import PointTracker
from glance3d.tracking.queries import PointsToTrack, Query
from glance3d.types import ImageBatch, Reconstruction, Tracks
from glance3d.types.report_sections import TracksReport

_DEFAULT_MODEL = "glance-small"
_NEEDED: tuple[Output, ...] = ("camera", "depth")


def track(
    source: Any,
    queries: Sequence[Query] | None = None,
    *,
    grid: int | None = None,
    query_view: ViewName = 0,
    by: str = "auto",
    model: str | Path | Network | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    commercial_only: bool = False,
    adapter: str | Path | None = None,
    preprocess: str | Mapping[str, Any] | Preprocessing | None = None,
    originals: Originals | str | Path | None = None,
    masks: MaskSources | None = None,
    progress: bool = False,
) -> Reconstruction:
    """Track points of any photos through all photos.

    Args:
        source: Photos, as in :func:`glance3d.reconstruct`, or a scene, whose cameras and depth stay
            as they are and whose photos are read again.
        queries: ``(view, x, y)``: a photo's number from 0 or its name, and a pixel of the original,
            upright photo, the top-left pixel's centre being (0.5, 0.5).
        grid: Instead of queries: this many points along the longer side of ``query_view``.
        query_view: The photo of the grid.
        by: ``"network"`` (its tracker), ``"matching"`` (the most similar feature of each photo),
            ``"geometry"`` (depth and cameras), or ``"auto"``, the best that is known for the model.
            ``glance3d.tracking.METHODS`` says what visibility and confidence mean for each, and
            from which value on a point counts as visible.
        model: A known model's name, a weights file, or a loaded model; by default the scene's own.
        weights: As in :func:`glance3d.reconstruct`, and so are ``device`` and ``precision``.
        device: See there.
        precision: See there.
        commercial_only: Refuse weights that may not be used commercially, see
            :func:`glance3d.load_model`.
        adapter: An adapter to merge into its weights, see there.
        preprocess: See there. By default the model's own, and for matching at least 256 x 256
            pixels a photo.
        originals: A scene's photos, or a folder that holds upright copies of them (a saved scene's
            ``images/``), if they are no longer where they came from.
        masks: Of photos, as in :func:`glance3d.reconstruct`; a scene has its own. What a mask
            leaves out shows no point.
        progress: Show progress bars on stderr.

    Returns:
        The scene with ``tracks``: for each view and query a position (x, y) in pixels of the
        original photo, a visibility and a confidence.

    Raises:
        Glance3DError: A photo, a query, the model or an argument cannot be used.
    """
    points = PointsToTrack(queries, grid, query_view)
    scene = source if isinstance(source, Reconstruction) else None
    if scene is not None and masks is not None:
        raise InputError("a scene has its own masks: give masks with photos only")
    name = _model_of(scene) if model is None else model
    network = ModelSource(name, weights, device, precision, commercial_only, adapter)
    inputs = InputOptions(preprocess, masks)
    if scene is None:
        return _track_photos(source, points, by, network, inputs, progress)
    return _track_scene(scene, points, by, network, inputs, originals, progress)


def _track_photos(
    sources: Any,
    points: PointsToTrack,
    by: str,
    source: ModelSource,
    inputs: InputOptions,
    progress: bool,
) -> Reconstruction:
    method = resolve_method(by, source.network_config, None)
    network = source.load()
    batch = inputs.load(sources, network.preprocessing, progress=progress)
    placed = points.place(batch)
    outputs = [output for output in _NEEDED if output in network.config.outputs]
    if method == "geometry":
        predictions = predict(network, batch, PassOptions(outputs), progress=progress)
        scene = predictions.to_reconstruction(batch, model=network.config.name)
        return _with_tracks(scene, method, GeometryTracker(scene), placed)
    predictions, features = predict_with_features(network, batch, outputs)
    scene = predictions.to_reconstruction(batch, model=network.config.name)
    finer = _preprocessing(method, inputs, network)
    if finer != inputs.preprocessing(network.preprocessing):
        photos = load_images(sources, finer, progress=progress)
        features = predict_with_features(network, replace(photos, masks=batch.masks))[1]
    return _with_tracks(scene, method, build_tracker(method, network, features), placed)


def _track_scene(
    scene: Reconstruction,
    points: PointsToTrack,
    by: str,
    source: ModelSource,
    inputs: InputOptions,
    originals: Originals | str | Path | None,
    progress: bool,
) -> Reconstruction:
    method = resolve_method(by, source.network_config, scene)
    placed = points.place(scene)  # what is wrong is refused before the network is loaded
    if method == "geometry":
        return _with_tracks(scene, method, GeometryTracker(scene), placed)
    network = source.load()
    batch = _photos_again(scene, _preprocessing(method, inputs, network), originals, progress)
    placed = points.place(batch)
    tracker = build_tracker(method, network, predict_with_features(network, batch)[1])
    return _with_tracks(scene, method, tracker, placed)


def _preprocessing(method: str, inputs: InputOptions, network: Network) -> Preprocessing:
    """The user's preprocessing; else the model's own, finer where the method gains by it."""
    own = inputs.preprocessing(network.preprocessing)
    return own if inputs.preprocess is not None else finer_preprocessing(method, own)


def _with_tracks(
    scene: Reconstruction, method: str, tracker: PointTracker, placed: tuple[Tensor, Tensor]
) -> Reconstruction:
    tracks = track_all(tracker, *placed, scene.num_views).where_kept(scene.masks)
    report = scene.report.with_section("tracks", _describe(method, tracks))
    return replace(scene, tracks=tracks, tracked_by=method, report=report)


def track_all(
    tracker: PointTracker,
    views: Int[Tensor, " queries"],
    pixels_original: Float[Tensor, "queries 2"],
    num_views: int,
) -> Tracks:
    """Queries of several views, each tracked to all others; in its own view it keeps its pixel."""
    positions = pixels_original.expand(num_views, -1, -1).clone()
    visibility, confidence = torch.ones(2, num_views, len(views))
    for view in views.unique().tolist():
        own = (views == view).nonzero().squeeze(-1)
        targets = [other for other in range(num_views) if other != view]
        cells = torch.tensor(targets, dtype=torch.long)[:, None], own
        positions[cells], visibility[cells], confidence[cells] = tracker.track(
            view, pixels_original[own], targets
        )
    return Tracks(positions, visibility, confidence, views)


def track_pixels(
    network: Network,
    batch: ImageBatch,
    views: Int[Tensor, " queries"],
    pixels_original: Float[Tensor, "queries 2"],
    by: str = "auto",
) -> Tracks:
    """Pixels of some views, each tracked to all others, on the images of this batch.

    Raises:
        InputError: the network has no track head, the photos are too small for it, or ``by`` needs
            depth and cameras.
    """
    method = resolve_without_scene(by, network.config)
    tracker = build_tracker(method, network, predict_with_features(network, batch)[1])
    return track_all(tracker, views, pixels_original, len(batch.names))


def _model_of(scene: Reconstruction | None) -> str:
    """What the scene was made with, if it is known."""
    return scene.model if scene is not None and scene.model in CARDS else _DEFAULT_MODEL


def _photos_again(
    scene: Reconstruction,
    preprocessing: Preprocessing,
    originals: Originals | str | Path | None,
    progress: bool,
) -> ImageBatch:
    """A scene's photos, loaded again with this network's preprocessing."""
    if not isinstance(originals, Originals):
        originals = Originals(scene, originals)
    batch = originals.load(preprocessing, progress=progress)
    return replace(batch, names=scene.names, sources=scene.sources, masks=scene.masks)


def _describe(method: str, tracks: Tracks) -> TracksReport:
    own = METHODS[method]
    return TracksReport(
        by=method,
        meaning=own.summary,
        min_visibility=own.thresholds.min_visibility,
        min_confidence=own.thresholds.min_confidence,
        num_queries=tracks.positions.shape[1],
    )
