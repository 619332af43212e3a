"""Where photos were taken: the door."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from glance3d.images import (
    ClipSampling,
    FoundSources,
    Originals,
    Preprocessing,
    find_sources,
    load_images,
)
from glance3d.images.clips import expand_clips
from glance3d.incremental.locating.absolute_pose import estimate_absolute_pose
from glance3d.incremental.locating.camera_guesses import camera_of_view, guess_cameras
from glance3d.incremental.locating.located_photo import (
    LOCATED,
    NOT_FOUND,
    LocatedPhoto,
    located,
    not_found,
)
from glance3d.incremental.locating.photo_matches import (
    ViewsAndPhotos,
    match_by_descriptors,
    match_by_sift,
)
from glance3d.incremental.locating.point_matches import match_points
from glance3d.incremental.locating.scene_doubts import with_doubts_of_scene
from glance3d.incremental.locating.view_choice import choose_views
from glance3d.models import VGGT, ModelSource, Network
from glance3d.multiview.view_graph import ViewGraph
from glance3d.refinement.options import RefineOptions
from glance3d.refinement.pycolmap_interface import quiet
from glance3d.types import ImageBatch, Reconstruction

_SEEN_BESIDE = 3
_OPTIONS = RefineOptions()


def locate(
    scene: Reconstruction,
    photos: str | Path | Sequence[str | Path],
    *,
    folder: str | Path | None = None,
    model: str | Path | Network = "glance-small",
    weights: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    adapter: str | Path | None = None,
    fps: float | None = None,
    views: int | None = None,
    progress: bool = False,
) -> tuple[LocatedPhoto, ...]:
    """Where photos were taken, in the world of a scene, which stays as it is.

    Each photo is matched with the scene's photos that look most alike: by SIFT, and where that does
    not place it for sure by descriptors of a network that has some. Matches lead to points of the
    scene, measured ones where it has them, else those of its depth maps; pose and focal length
    follow from these, each photo by itself.

    Args:
        scene: The scene; its photos are read again.
        photos: A folder, files, clips or globs.
        folder: Where a saved scene keeps copies of its photos, if they have moved.
        model: The network that says which photos look alike, and whose descriptors match.
        weights: A weights file instead of the model's own.
        device: As in :func:`glance3d.reconstruct`.
        precision: Likewise.
        adapter: Likewise.
        fps: Which frames of clips among the photos, as in :func:`glance3d.reconstruct`.
        views: Likewise.
        progress: Show progress bars on stderr.

    Returns:
        One for each photo, in order; those that cannot be read come last, as "not found".

    Raises:
        ImageError: no photo can be read, or those of the scene are gone.
        MissingExtraError: pycolmap is not installed.
    """
    source = ModelSource(model, weights, device, precision, adapter=adapter)
    sampling = ClipSampling(fps=fps, views=views)
    return locate_in_scene(scene, photos, source, sampling, folder=folder, progress=progress)


def locate_in_scene(
    scene: Reconstruction,
    photos: str | Path | Sequence[str | Path],
    source: ModelSource,
    sampling: ClipSampling = ClipSampling(),  # noqa: B008 (frozen)
    *,
    folder: str | Path | None = None,
    progress: bool = False,
) -> tuple[LocatedPhoto, ...]:
    """As :func:`locate`, which packs its arguments once."""
    found = find_sources(photos)
    paths = expand_clips(found.paths, sampling, progress=progress)
    preprocessing = source.outline().preprocessing
    batch = load_images(FoundSources(tuple(paths)), preprocessing, progress=progress)
    originals = Originals(scene, folder)
    chosen = choose_views(scene, originals, batch, source, progress=progress)
    results = _by_sift(scene, originals, batch, chosen, progress)
    for number, result in enumerate(results):
        if result.verdict != LOCATED:
            again = _by_descriptors(scene, originals, batch, number, chosen[number], source)
            results[number] = _surer(result, again)
    results = [with_doubts_of_scene(result, scene) for result in results]
    skipped = (*found.skipped, *batch.skipped)
    unread = [not_found(Path(p.source).name, p.source, p.reason, None) for p in skipped]
    return (*results, *unread)


def _surer(first: LocatedPhoto, second: LocatedPhoto | None) -> LocatedPhoto:
    """The second if it has a better verdict, or the same with more to say for it."""
    order = (NOT_FOUND, "uncertain", LOCATED)

    def sureness(photo: LocatedPhoto) -> tuple[int, int]:
        return order.index(photo.verdict), photo.num_inliers

    return first if second is None else max(first, second, key=sureness)


def _by_sift(
    scene: Reconstruction,
    originals: Originals,
    batch: ImageBatch,
    chosen: Sequence[Sequence[int]],
    progress: bool,
) -> list[LocatedPhoto]:
    views = sorted({view for own in chosen for view in own})
    pictures = _pictures(scene, originals, batch, views)
    pairs = [
        (views.index(view), len(views) + photo)
        for photo, own in enumerate(chosen)
        for view in sorted(own)
    ]
    with quiet(), tempfile.TemporaryDirectory(prefix="glance3d-") as temporary:
        graph = match_by_sift(pictures, pairs, _OPTIONS, Path(temporary), progress=progress)
    return [
        _placed(scene, batch, photo, views, graph, len(views) + photo, "sift")
        for photo in range(len(batch.names))
    ]


def _by_descriptors(
    scene: Reconstruction,
    originals: Originals,
    batch: ImageBatch,
    photo: int,
    views: Sequence[int],
    source: ModelSource,
) -> LocatedPhoto | None:
    """One photo among the views most like it; None by a network that matches nothing."""
    network = source.load()
    if not isinstance(network, VGGT) or network.correspondence_head is None:
        return None
    views = sorted(views)
    own = batch.of_views([photo])
    pictures = _pictures(scene, originals, own, views)
    together = _load_together(scene, originals, views, own, network.preprocessing)
    pairs = [(index, len(views)) for index in range(len(views))]
    with quiet():
        graph = match_by_descriptors(pictures, together, network, pairs, _OPTIONS)
    by = network.config.name
    return _placed(scene, own, 0, views, graph, len(views), by)


def _load_together(
    scene: Reconstruction,
    originals: Originals,
    views: Sequence[int],
    photo: ImageBatch,
    preprocessing: Preprocessing,
) -> ImageBatch:
    paths = originals.paths()
    sources = (*(paths[view] for view in views), *map(Path, photo.sources))
    batch = load_images(FoundSources(sources), preprocessing)
    return replace(batch, masks=_masks(scene, views, 1))


def _masks(scene: Reconstruction, views: Sequence[int], num_photos: int) -> tuple:
    if not scene.has_masks:
        return ()
    return (*(scene.masks[view] for view in views), *(None,) * num_photos)


def _pictures(
    scene: Reconstruction, originals: Originals, batch: ImageBatch, views: Sequence[int]
) -> ViewsAndPhotos:
    sizes = [originals.sizes[view] for view in views]
    cameras = [camera_of_view(scene, view).camera for view in views]
    for photo, placement in enumerate(batch.placements):
        sizes.append(placement.original_size)
        cameras.append(guess_cameras(scene, batch, photo)[0].camera)
    return ViewsAndPhotos(
        originals,
        tuple(views),
        tuple(map(Path, batch.sources)),
        tuple(sizes),
        tuple(cameras),
        _masks(scene, views, len(batch.names)),
    )


def _placed(
    scene: Reconstruction,
    batch: ImageBatch,
    photo: int,
    views: Sequence[int],
    graph: ViewGraph,
    number: int,
    matched_by: str,
) -> LocatedPhoto:
    """A photo by its matches; ``number`` is its own in the graph, where the views come first."""
    name, source = batch.names[photo], batch.sources[photo]
    size = batch.placements[photo].original_size
    matches = match_points(scene, views, graph, number)
    pose = estimate_absolute_pose(matches, guess_cameras(scene, batch, photo), _OPTIONS.seed)
    if pose is None:
        few = f"{len(matches)} matches with points of the scene's photos, too few for a pose"
        return not_found(name, source, few, size)
    agreeing, counts = np.unique(matches.views[pose.is_inlier], return_counts=True)
    best = agreeing[np.argsort(-counts, kind="stable")][:_SEEN_BESIDE]
    beside = tuple(scene.names[view] for view in best)
    result = located(name, source, pose, size, beside)
    return replace(result, matched_by=matched_by)
