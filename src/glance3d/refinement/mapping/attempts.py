"""What the mapping is tried from, in which order, and which result is believed.

1. The poses that are given or guessed, as far as the photos confirm them.
2. From the best pair of photos, with strict thresholds, then more and more lenient ones.
3. Once more with a camera of its own for every photo, where shared ones may have been the mistake.
4. From all pairs at once (see ``global_mapping``), where photos are still missing.

The next one is tried while photos with matches are missing, or too many matches contradict the
poses; the attempt whose poses explain most matches is kept.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from jaxtyping import Float
from torch import Tensor

from glance3d.refinement.mapping.attempt_results import (
    Attempt,
    AttemptResult,
    CameraSetup,
    inliers_inside,
    views_of,
)
from glance3d.refinement.mapping.depth_agreement import off_scale_views
from glance3d.refinement.mapping.mapper import (
    LENIENT,
    MIN_OBSERVATIONS,
    NORMAL,
    RELAXED,
    STRICT,
    StartingPoses,
    map_models,
    num_supported,
)
from glance3d.refinement.mapping.match_inliers import count_match_inliers
from glance3d.refinement.matching.database import copy_with_cameras
from glance3d.refinement.matching.matched_photos import MatchedPhotos
from glance3d.refinement.pycolmap_interface import posed_images, poses_of

# Degrees by which rays may miss each other, round by round: guesses are first off by several.
_GUESS_ANGLES = (8.0, 4.0, 2.0)
_KNOWN_ANGLES = (2.0,)
# A reconstruction that explains less of the matches may have a wrong lens, or wrong twins.
_WELL_EXPLAINED = 0.89
# Of this attempt's name and its poses by view.
Watcher = Callable[[str, dict[int, Float[Tensor, "3 4"]]], None]
_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watch_attempts(watcher: Watcher) -> Iterator[None]:
    """Hand the poses of every attempt to ``watcher``: what is not chosen is gone afterwards."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def run_attempts(
    photos: MatchedPhotos,
) -> tuple[AttemptResult | None, tuple[dict[str, Any], ...]]:
    """The best attempt, and a JSON-ready record of all that were made."""
    best: AttemptResult | None = None
    records = []
    for attempt in _attempts(photos):
        if best is not None and is_enough(best, photos):
            break
        result = run_attempt(photos, attempt)
        records.append(describe_attempt(photos, attempt, result))
        if result is not None:
            best = better_attempt(best, result)
    return best, tuple(records)


def better_attempt(best: AttemptResult | None, result: AttemptResult) -> AttemptResult:
    """The better of two, and beside it the other."""
    if best is None:
        return result
    if result.is_better_than(best):
        earlier = (replace(best, earlier=()), *best.earlier)
        return replace(result, earlier=earlier)
    return replace(best, earlier=(*best.earlier, result))


def _attempts(photos: MatchedPhotos) -> Iterator[Attempt]:
    """What to try, in order; made one after the other, so that what is not needed costs nothing."""
    scene, confirmed = photos.scene, photos.network_poses.confirmed
    # The network's focal lengths are believed where its poses are, of half of the views at least.
    use_network = len(confirmed) >= max(2, scene.num_views / 2)
    shared = _set_up_cameras(photos, "shared", shared=True, use_network=use_network)
    if photos.held_poses:
        start = StartingPoses(photos.held_poses, True, _KNOWN_ANGLES)
        yield Attempt("known poses", shared, RELAXED, start)
    if use_network:
        poses = {view: scene.cameras.cam_from_world[view] for view in confirmed}
        start = StartingPoses(poses, False, _GUESS_ANGLES)
        yield Attempt("network poses", shared, NORMAL, start)
    is_learned = photos.sift_graph is not None
    if not is_learned:
        yield Attempt("from pairs, carefully", shared, STRICT)
    yield Attempt("from pairs", shared, NORMAL)
    yield Attempt("from pairs, relaxed", shared, RELAXED)
    if shared.assignment.is_shared and photos.options.camera == "auto" and not is_learned:
        own = _set_up_cameras(photos, "own", shared=False, use_network=use_network)
        yield Attempt("a camera for each photo", own, RELAXED)
    yield Attempt("from pairs, lenient", shared, LENIENT)


def _set_up_cameras(
    photos: MatchedPhotos, name: str, *, shared: bool, use_network: bool
) -> CameraSetup:
    assignment = photos.initial_cameras.assign(shared=shared, use_network=use_network)
    path = photos.database.with_name(f"{photos.database.stem}-{name}.db")
    copy_with_cameras(photos.database, path, assignment)
    return CameraSetup(path, assignment)


def is_enough(best: AttemptResult, photos: MatchedPhotos) -> bool:
    """Whether another attempt is not worth its time."""
    if best.attempt.fixed_poses:
        return True  # any other attempt would leave the frame of the known poses
    view_graph = photos.view_graph
    # Views that have matches enough to be supported, if half of them become points.
    reachable = {
        view
        for view in range(view_graph.num_views)
        if view_graph.num_matches_of(view) >= 2 * MIN_OBSERVATIONS
    }
    is_complete = num_supported(best.reconstruction) >= len(reachable)
    if is_complete and best.inliers.share >= _WELL_EXPLAINED:
        return True
    return _are_scenes_apart(best, photos, reachable)


def _are_scenes_apart(best: AttemptResult, photos: MatchedPhotos, reachable: set[int]) -> bool:
    """Whether several components hold all photos, and no match connects two of them."""
    components = best.components(photos)
    held = [views_of(photos, one) for one in components]
    if len(held) < 2 or not reachable <= set().union(*held):
        return False
    of_view = {view: index for index, views in enumerate(held) for view in views}
    pairs = photos.view_graph.pairs
    if any(of_view.get(pair.first) != of_view.get(pair.second) for pair in pairs):
        return False
    shares = (inliers_inside(photos, one).share for one in components)
    return all(share >= _WELL_EXPLAINED for share in shares)


def run_attempt(photos: MatchedPhotos, attempt: Attempt) -> AttemptResult | None:
    """Map the photos from where the attempt starts; None where nothing held together."""
    name = attempt.name.replace(" ", "-").replace(",", "")
    models = map_models(
        attempt.setup.database,
        attempt.setup.database.with_name(f"{attempt.setup.database.stem}-{name}"),
        photos.image_ids,
        attempt.thresholds,
        start=attempt.start,
        constant_cameras=attempt.setup.assignment.constant_ids,
        seed=photos.options.seed,
        matches_by_points_only=photos.sift_graph is not None,
    )
    if not attempt.fixed_poses:
        models = [model for model in models if _on_one_scale(photos, model)]
    images = posed_images(models[0] if models else None, photos.image_ids)
    if (watcher := _watcher.get()) is not None:
        watcher(f"{attempt.name} ({photos.database.stem})", poses_of(images))
    if not models:
        return None
    inliers = count_match_inliers(
        photos.view_graph, photos.scene.cameras, models[0], photos.image_ids
    )
    return AttemptResult(attempt, models[0], inliers, tuple(models[1:]))


def _on_one_scale(photos: MatchedPhotos, model: Any) -> bool:
    """Take photos at quite another scale out of the model; whether at least two are left."""
    for view in sorted(off_scale_views(photos, model)):
        model.deregister_frame(model.image(photos.image_ids[view]).frame_id)
    return model.num_reg_images() >= 2


def describe_attempt(
    photos: MatchedPhotos, attempt: Attempt, result: AttemptResult | None
) -> dict[str, Any]:
    """What came of an attempt, JSON-ready."""
    return {
        "start": attempt.name,
        "matches": photos.database.stem,
        "num_cameras": len(attempt.setup.assignment.cameras),
        "num_registered": 0 if result is None else num_supported(result.reconstruction),
        "num_points": 0 if result is None else result.reconstruction.num_points3D(),
        "explained_share": 0.0 if result is None else round(result.inliers.share, 4),
    }
