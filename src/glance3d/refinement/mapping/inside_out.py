"""A model that came out inside out, turned and mapped again.

Seen from afar or through a long lens, or where most of what matches is a flat picture on a wall, a
scene and its mirror image in depth, with motions the other way round, fit the same matches nearly
alike (Necker reversal: Koenderink and van Doorn, "Affine structure from motion", JOSA A 1991;
Shapiro et al., "3D motion recovery via affine epipolar geometry", IJCV 1995). A mapping that began
with the wrong one keeps all photos with small errors; but perspective tells, in what is explained.
"""

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from glance3d.multiview.view_graph import ViewGraph
from glance3d.refinement.mapping.attempt_results import AttemptResult, inliers_inside, views_of
from glance3d.refinement.mapping.attempts import describe_attempt, run_attempt
from glance3d.refinement.mapping.bundle_adjustment import adjust_starting_views
from glance3d.refinement.mapping.components import only_images
from glance3d.refinement.mapping.remapping import JOINED_ANGLES, attempt_from
from glance3d.refinement.matching.matched_photos import MatchedPhotos
from glance3d.refinement.pycolmap_interface import import_pycolmap, posed_images, poses_of

# Turned, a part must explain so many times as much of the matches between its photos, and mapped
# from there, all photos so much of what the part gained.
_CLEARLY, _KEPT_GAIN = 1.02, 0.5
_ROUNDS = 3
# Pixels at a diagonal of 1000: turned, a model fits its points roughly at first.
_ROUGH_ERROR = 30.0
# Those that most photos see are enough to tell.
_MOST_POINTS = 500
# Of many photos some may be inside out: each is looked at with those that match it best.
_TOGETHER = 16


def map_inside_out(
    photos: MatchedPhotos, best: AttemptResult
) -> tuple[AttemptResult, tuple[dict[str, Any], ...]]:
    """The attempt, or what the mapping makes of parts of it that explain more inside out.

    With JSON-ready records of the attempts that were made for it.
    """
    records: list[dict[str, Any]] = []
    if best.attempt.fixed_poses:
        return best, ()
    for index in range(_ROUNDS):
        found = _most_gained(photos, best)
        if found is None:
            break
        name = "again, turned inside out"
        attempt = attempt_from(photos, best, found.poses, JOINED_ANGLES, name, index)
        result = run_attempt(photos, attempt)
        records.append(describe_attempt(photos, attempt, result))
        gain = 0.0 if result is None else result.inliers.explained - best.inliers.explained
        if result is None or gain <= _KEPT_GAIN * found.gain:
            break
        best = replace(result, earlier=best.earlier)
    return best, tuple(records)


def _most_gained(photos: MatchedPhotos, best: AttemptResult) -> "_Turned | None":
    if best.inliers.share * _CLEARLY >= 1:
        return None
    together = _parts(photos.view_graph, views_of(photos, best))
    parts = [_turned_part(photos, best, views) for views in together]
    return max((part for part in parts if part is not None), key=lambda p: p.gain, default=None)


class _Turned(NamedTuple):
    """Poses of views that were turned, and how many more matches between them are explained."""

    poses: dict[int, Float[Tensor, "3 4"]]
    gain: float


def _parts(view_graph: ViewGraph, views: set[int]) -> Iterator[set[int]]:
    """All of few views; of many, each with those that match it best, until every one was in one."""
    if len(views) <= 2 * _TOGETHER:
        yield views
        return
    matches: dict[int, Counter[int]] = {view: Counter() for view in views}
    for pair in view_graph.pairs:
        if {pair.first, pair.second} <= views:
            matches[pair.first][pair.second] = matches[pair.second][pair.first] = len(pair)
    left = sorted(views)
    while left:
        first = left[0]
        yield (part := {first, *(view for view, _ in matches[first].most_common(_TOGETHER - 1))})
        left = [view for view in left if view not in part]


def _turned_part(photos: MatchedPhotos, best: AttemptResult, views: set[int]) -> _Turned | None:
    """These views turned, if that explains clearly more of the matches between them."""
    before = inliers_inside(photos, best, views)
    if before.share * _CLEARLY >= 1:
        return None
    ids = photos.image_ids
    part = only_images(best.reconstruction, {ids[view] for view in views})
    turned = turned_inside_out(part, _MOST_POINTS)
    constant = best.attempt.setup.assignment.constant_ids
    adjust_starting_views(turned, _ROUGH_ERROR * photos.scene.cameras.pixel_unit, constant)
    after = inliers_inside(photos, replace(best, reconstruction=turned))
    if after.explained <= _CLEARLY * before.explained:
        return None
    return _Turned(poses_of(posed_images(turned, ids)), after.explained - before.explained)


def turned_inside_out(reconstruction: Any, most_points: int | None = None) -> Any:
    """A copy mirrored in depth, as the middle one of its photos sees it, with the other motions.

    Where cameras are far from points that are about equally far, nothing moves in the photos. With
    ``most_points``, only as many points are kept: those that most photos see.
    """
    pycolmap = import_pycolmap()
    turned = copy.deepcopy(reconstruction)
    if most_points is not None:
        points = turned.points3D
        order = sorted(points, key=lambda point: (-points[point].track.length(), point))
        for point in order[most_points:]:
            turned.delete_point3D(point)
    if not turned.num_points3D():
        return turned
    poses = {image: turned.image(image).cam_from_world() for image in turned.reg_image_ids()}
    rotations = {image: pose.rotation.matrix() for image, pose in poses.items()}
    mean = sum(rotations.values())
    # The trace is larger, the smaller the angle between a rotation and the mean.
    middle = max(sorted(rotations), key=lambda image: float(np.trace(rotations[image].T @ mean)))
    center = np.median([point.xyz for point in turned.points3D.values()], axis=0)
    mirror = np.diag([1.0, 1.0, -1.0])
    to_mirrored = mirror @ rotations[middle]
    for point in list(turned.points3D):
        turned.points3D[point].xyz = to_mirrored @ (turned.points3D[point].xyz - center)
    for image, pose in poses.items():
        # M R_v R_0^T M is a rotation again; the centre of the points stays where it is seen.
        rotation = pycolmap.Rotation3d(mirror @ rotations[image] @ to_mirrored.T)
        moved = pycolmap.Rigid3d(rotation, pose * center)
        turned.image(image).frame.set_cam_from_world(turned.image(image).camera_id, moved)
    return turned
