"""The front door: photos or a scene, and points to follow."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.errors import InputError
from glance3d.images import MaskSources, Originals, Preprocessing, load_images
from glance3d.images.naming.view_names import ViewName
from glance3d.models import VGGT
from glance3d.models.config import Output
from glance3d.models.weights.cards import CARDS
from glance3d.models.zoo import outline_model
from glance3d.reconstruction import model_of, preprocessing_of
from glance3d.tracking.by_geometry import GeometryFollower
from glance3d.tracking.feature_maps import look
from glance3d.tracking.followers import build_follower
from glance3d.tracking.following import Follower
from glance3d.tracking.methods import (
    METHODS,
    finer_preprocessing,
    resolve_method,
    resolve_without_scene,
)
from glance3d.tracking.queries import Query, place_grid, place_queries
from glance3d.types import ImageBatch, Reconstruction, Tracks

_DEFAULT_MODEL = "glance-small"
_NEEDED: tuple[Output, ...] = ("camera", "depth")


def track(
    source: Any,
    queries: Sequence[Query] | None = None,
    *,
    grid: int | None = None,
    query_view: ViewName = 0,
    by: str = "auto",
    model: str | Path | VGGT | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    preprocess: str | Mapping[str, Any] | Preprocessing | None = None,
    originals: Originals | str | Path | None = None,
    masks: MaskSources | None = None,
    progress: bool = False,
) -> Reconstruction:
    """Points of any photos, followed through all of them; the scene with ``tracks``.

    Args:
        source: Photos, as in :func:`glance3d.reconstruct`, or a scene, whose cameras and depth stay
            as they are and whose photos are read again.
        queries: ``(view, x, y)``: a photo's number from 0 or its name, and a pixel of the original,
            upright photo, the top-left pixel's centre being (0.5, 0.5).
        grid: Instead of queries: so many points along the longer side of ``query_view``.
        query_view: The photo of the grid.
        by: ``"network"`` (its tracker), ``"matching"`` (the most similar feature of each photo),
            ``"geometry"`` (depth and cameras), or ``"auto"``, the best that is known for the model.
            ``glance3d.tracking.METHODS`` says what visibility and confidence mean for each, and
            from which value on a point counts as visible.
        model: A known model's name, a weights file, or a loaded model; by default the scene's own.
        weights: As in :func:`glance3d.reconstruct`, and so are ``device`` and ``precision``.
        device: See there.
        precision: See there.
        preprocess: See there. By default the model's own, and for matching at least 256 x 256
            pixels a photo.
        originals: A scene's photos, or a folder that holds upright copies of them (a saved scene's
            ``images/``), if they are no longer where they came from.
        masks: Of photos, as in :func:`glance3d.reconstruct`; a scene has its own. What a mask
            leaves out shows no point.
        progress: Show progress bars on stderr.

    Raises:
        Glance3DError: A photo, a query, the model or an argument cannot be used.
    """
    if (queries is None) == (grid is None):
        raise InputError("give either queries (view, x, y) or a grid, and not both")

    def place(of: Reconstruction | ImageBatch) -> tuple[Tensor, Tensor]:
        if grid is not None:
            return place_grid(grid, query_view, of.names, of.placements, of.masks)
        return place_queries(queries or (), of.names, of.placements, of.masks)

    scene = source if isinstance(source, Reconstruction) else None
    if scene is not None and masks is not None:
        raise InputError("a scene has its own masks: give masks with photos only")
    model = _model_of(model, scene)
    method = resolve_method(by, _name_of(model), scene)
    if scene is not None:
        placed = place(scene)  # what is wrong is said before the network is loaded
        if method == "geometry":
            return _with_tracks(scene, method, GeometryFollower(scene), placed)
    network = model_of(model, weights, device, precision)
    own = preprocessing_of(preprocess, network)
    fine = own if preprocess is not None else finer_preprocessing(method, own)
    if scene is None:
        batch = load_images(source, own, masks=masks, progress=progress)
        placed = place(batch)
        can = [output for output in _NEEDED if output in network.config.outputs]
        predictions, features = look(network, batch, can)
        scene = predictions.to_reconstruction(batch, model=network.config.name)
        if fine != own:
            finer = replace(load_images(source, fine, progress=progress), masks=batch.masks)
            features = look(network, finer)[1]
    else:
        batch = _photos_again(scene, fine, originals, progress)
        placed = place(batch)
        features = look(network, batch)[1]
    follower = (
        GeometryFollower(scene)
        if method == "geometry"
        else build_follower(method, network, features)
    )
    return _with_tracks(scene, method, follower, placed)


def _with_tracks(
    scene: Reconstruction, method: str, follower: Follower, placed: tuple[Tensor, Tensor]
) -> Reconstruction:
    tracks = follow_all(follower, *placed, scene.num_views).where_kept(scene.masks)
    return replace(scene, tracks=tracks, report=scene.report | {"tracks": _report(method, tracks)})


def follow_all(
    follower: Follower,
    views: Int[Tensor, " queries"],
    pixels_original: Float[Tensor, "queries 2"],
    num_views: int,
) -> Tracks:
    """Queries of several views, each followed to all others; in its own view it is where it is."""
    positions = pixels_original.expand(num_views, -1, -1).clone()
    visibility, confidence = torch.ones(2, num_views, len(views))
    for view in views.unique().tolist():
        own = (views == view).nonzero().squeeze(-1)
        targets = [other for other in range(num_views) if other != view]
        found = follower.follow(view, pixels_original[own], targets)
        at = torch.tensor(targets, dtype=torch.long)[:, None], own
        positions[at], visibility[at], confidence[at] = found
    return Tracks(positions, visibility, confidence, views)


def follow_pixels(
    network: VGGT,
    batch: ImageBatch,
    views: Int[Tensor, " queries"],
    pixels_original: Float[Tensor, "queries 2"],
    by: str = "auto",
) -> Tracks:
    """Pixels of some views, each followed to all others, in photos as this batch shows them.

    Raises:
        InputError: the network has no track head, the photos are too small for it, or ``by`` needs
            depth and cameras.
    """
    method = resolve_without_scene(by, network.config.name)
    follower = build_follower(method, network, look(network, batch)[1])
    return follow_all(follower, views, pixels_original, len(batch.names))


def _model_of(model: str | Path | VGGT | None, scene: Reconstruction | None) -> str | Path | VGGT:
    """What was given, else what the scene was made with."""
    if model is not None:
        return model
    return scene.model if scene is not None and scene.model in CARDS else _DEFAULT_MODEL


def _name_of(model: str | Path | VGGT) -> str:
    """The network's own name, by which the best method is looked up; a weights file holds it."""
    if isinstance(model, VGGT):
        return model.config.name
    return outline_model(model).config.name if Path(model).is_file() else str(model)


def _photos_again(
    scene: Reconstruction,
    preprocessing: Preprocessing,
    originals: Originals | str | Path | None,
    progress: bool,
) -> ImageBatch:
    """A scene's photos as this network wants them, from where they came from."""
    if not isinstance(originals, Originals):
        originals = Originals(scene, originals)
    batch = originals.load(preprocessing, progress=progress)
    return replace(batch, names=scene.names, sources=scene.sources, masks=scene.masks)


def _report(method: str, tracks: Tracks) -> dict[str, Any]:
    return {
        "by": method,
        "meaning": METHODS[method].summary,
        **asdict(METHODS[method].thresholds),
        "num_queries": tracks.positions.shape[1],
    }
