"""A mapping repeated from its own poses: models joined, photos that do not fit placed anew.

Where matches are thin and some are wrong, a photo placed early may be off and drag others with it.
It is then at odds with pairs that match well. Without it the mapping continues from the others,
which by then are more, and places it again; what never fits is left out.
"""

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from glance3d.multiview.view_graph import ViewGraph, epipolar_errors, largest_component
from glance3d.refinement.mapping.attempt_results import Attempt, AttemptResult, CameraSetup
from glance3d.refinement.mapping.attempts import describe_attempt, run_attempt
from glance3d.refinement.mapping.components import only_images
from glance3d.refinement.mapping.joining.join_models import join_models
from glance3d.refinement.mapping.mapper import StartingPoses
from glance3d.refinement.mapping.match_inliers import (
    ENOUGH,
    EXPLAINED,
    count_match_inliers,
    with_adjusted,
)
from glance3d.refinement.matching.database import copy_with_cameras
from glance3d.refinement.matching.matched_photos import MatchedPhotos
from glance3d.refinement.pycolmap_interface import posed_images
from glance3d.types import Cameras

_ROUNDS = 4
# A further round must explain so many times as much: models that explain as much but for a
# thousandth are as good, and a mapping from one gives the other.
_WORTH_IT = 1.01
# Degrees by which rays may miss each other, round by round: joined models fit roughly at first.
JOINED_ANGLES = (4.0, 2.0)
_OWN_ANGLES = (2.0,)
# Of a pixel at a diagonal of 1000: points of two models that are the same.
_JOIN_ERROR = 8.0
# A photo does not fit with fewer of its matches explained, or if no chain of pairs connects it to
# most of the others that have so many matches and so many of them explained.
_FITS = 0.5
_FEWEST, _CONNECTS = 30, 0.65
# For what is left out in the end: on a walk through an office photos at their right place, too,
# were connected by pairs of which a third to a half was explained (of 63 photos 57 are held with a
# pose AUC@30 of 0.54; with a limit of 0.5 it is 39 with 0.36). They are never called good.
_HARDLY_CONNECTS = 0.35


def map_again(
    photos: MatchedPhotos, best: AttemptResult
) -> tuple[AttemptResult, tuple[dict[str, Any], ...]]:
    """The attempt's models joined, repaired round by round, and records of what was tried.

    Each round starts from the photos that fit and from all models that can be joined to them: one
    that was joined by a photo at a wrong place may be joined rightly once that is mended.
    """
    others = [model for one in (best, *best.earlier) for model in one.models][1:]
    misfits = misfit_views(photos, best.reconstruction)
    kept, records, latest = best, [], best
    for index in range(_ROUNDS):
        poses, num_joined = _poses_to_start_from(photos, latest, misfits, others)
        if index and not misfits and not num_joined:
            break
        angles = JOINED_ANGLES if num_joined or not index else _OWN_ANGLES
        name = "again, models joined" if num_joined else "again, without what does not fit"
        attempt = attempt_from(photos, latest, poses, angles, name, index)
        result = run_attempt(photos, attempt)
        records.append(describe_attempt(photos, attempt, result))
        if result is None:
            break
        latest, misfits = result, misfit_views(photos, result.reconstruction)
        is_better = result.inliers.explained > _WORTH_IT * kept.inliers.explained
        if is_better:
            kept = result
        elif num_joined:  # the same models would be joined again
            break
    never = misfit_views(photos, kept.reconstruction, min_share=_HARDLY_CONNECTS)
    # What was not joined may still be held together by itself.
    earlier = (replace(best, earlier=()), *best.earlier)
    return replace(_without(photos, kept, never), earlier=earlier), tuple(records)


def _poses_to_start_from(
    photos: MatchedPhotos, latest: AttemptResult, misfits: set[int], others: Sequence[Any]
) -> tuple[dict[int, Float[Tensor, "3 4"]], int]:
    """The poses of photos that fit and of models joined to them, and how many photos these add."""
    left_out = {photos.image_ids[view] for view in misfits}
    images = set(latest.reconstruction.reg_image_ids()) - left_out
    fitting = only_images(latest.reconstruction, images)
    tolerance = _JOIN_ERROR * photos.scene.cameras.pixel_unit
    joined = join_models([fitting, *others], photos.database, tolerance, photos.options.seed)
    views = {image_id: view for view, image_id in enumerate(photos.image_ids)}
    return {views[image_id]: pose for image_id, pose in joined.items()}, len(joined) - len(images)


def misfit_views(
    photos: MatchedPhotos,
    reconstruction: Any,
    view_graph: ViewGraph | None = None,
    min_share: float = _CONNECTS,
) -> set[int]:
    """Views of a reconstruction that do not fit these matches, by default all of the photos'.

    ``min_share`` is as in :func:`find_misfits`.
    """
    images = posed_images(reconstruction, photos.image_ids)
    cameras = with_adjusted(photos.scene.cameras, reconstruction, images)
    return find_misfits(view_graph or photos.view_graph, cameras, set(images), min_share)


def find_misfits(
    view_graph: ViewGraph, cameras: Cameras, views: set[int], min_share: float = _CONNECTS
) -> set[int]:
    """Those of ``views`` most of whose matches contradict the cameras, or that none connects.

    Two views are connected where so large a share of their matches is explained.
    """
    explained, total = Counter[int](), Counter[int]()
    connecting = []
    for pair in view_graph.pairs:
        if not {pair.first, pair.second} <= views:
            continue
        share = float((epipolar_errors(pair, cameras) < EXPLAINED * cameras.pixel_unit).mean())
        weight = min(len(pair), ENOUGH)  # as match inliers are counted
        for view in (pair.first, pair.second):
            explained[view] += round(weight * share)
            total[view] += weight
        if len(pair) >= _FEWEST and share >= min_share:
            connecting.append((pair.first, pair.second))
    fitting = {view for view, count in total.items() if explained[view] >= _FITS * count}
    return views - (fitting & largest_component(connecting))


def attempt_from(
    photos: MatchedPhotos,
    result: AttemptResult,
    poses: dict[int, Float[Tensor, "3 4"]],
    angles: Sequence[float],
    name: str,
    number: int,
) -> Attempt:
    """The same attempt from these poses and the lenses that it found; ``number`` of this name."""
    assignment = result.attempt.setup.assignment
    for camera in assignment.cameras:
        if camera.camera_id in result.reconstruction.cameras:
            camera.params = result.reconstruction.cameras[camera.camera_id].params
    file = f"{photos.database.stem}-{name.rpartition(' ')[2]}-{number}.db"
    path = Path(photos.database).with_name(file)
    copy_with_cameras(photos.database, path, assignment)
    start = StartingPoses(poses, False, tuple(angles))
    return replace(result.attempt, name=name, setup=CameraSetup(path, assignment), start=start)


def _without(photos: MatchedPhotos, result: AttemptResult, views: set[int]) -> AttemptResult:
    """A copy of the result without the poses of these views."""
    reconstruction = copy.deepcopy(result.reconstruction)
    for view in views:
        image = reconstruction.image(photos.image_ids[view])
        reconstruction.deregister_frame(image.frame_id)
    inliers = count_match_inliers(
        photos.view_graph, photos.scene.cameras, reconstruction, photos.image_ids
    )
    return replace(result, reconstruction=reconstruction, inliers=inliers)
