"""A model that came out inside out, turned and mapped again.

Seen from afar or through a long lens, or where most of what matches is a flat picture on a wall, a
scene and its mirror image in depth, with motions the other way round, fit the same matches nearly
alike (Necker reversal: Koenderink and van Doorn, "Affine structure from motion", JOSA A 1991;
Shapiro et al., "3D motion recovery via affine epipolar geometry", IJCV 1995). A mapping that began
with the wrong one keeps all photos with small errors; but perspective tells, in what is explained.
"""

import copy
from dataclasses import replace
from typing import Any

import numpy as np

from glance3d.refinement.mapping.attempt_results import AttemptResult
from glance3d.refinement.mapping.attempts import describe_attempt, run_attempt
from glance3d.refinement.mapping.bundle_adjustment import adjust_starting_views
from glance3d.refinement.mapping.match_inliers import count_match_inliers
from glance3d.refinement.mapping.remapping import JOINED_ANGLES, attempt_from
from glance3d.refinement.matching.matched_photos import MatchedPhotos
from glance3d.refinement.pycolmap_interface import import_pycolmap, pose_from_rigid, posed_images

# The turned model must explain so many times as much of the matches.
_CLEARLY = 1.02
# Pixels at a diagonal of 1000: turned, a model fits its points roughly at first.
_ROUGH_ERROR = 30.0
# Those that most photos see are enough to tell.
_MOST_POINTS = 1000


def map_inside_out(
    photos: MatchedPhotos, best: AttemptResult
) -> tuple[AttemptResult, tuple[dict[str, Any], ...]]:
    """The attempt, or what becomes of it turned inside out where that explains clearly more.

    With a JSON-ready record of the attempt that was made for it.
    """
    if best.attempt.fixed_poses or best.inliers.share * _CLEARLY >= 1:
        return best, ()
    unit, assignment = photos.scene.cameras.pixel_unit, best.attempt.setup.assignment
    turned = turned_inside_out(best.reconstruction, _MOST_POINTS)
    adjust_starting_views(turned, _ROUGH_ERROR * unit, assignment.constant_ids)
    cameras = photos.scene.cameras
    inliers = count_match_inliers(photos.view_graph, cameras, turned, photos.image_ids)
    if inliers.explained <= _CLEARLY * best.inliers.explained:
        return best, ()
    images = posed_images(turned, photos.image_ids)
    poses = {view: pose_from_rigid(image.cam_from_world()) for view, image in images.items()}
    attempt = attempt_from(photos, best, poses, JOINED_ANGLES, "again, turned inside out")
    result = run_attempt(photos, attempt)
    record = describe_attempt(photos, attempt, result)
    if result is None or result.inliers.explained <= _CLEARLY * best.inliers.explained:
        return best, (record,)
    return replace(result, earlier=best.earlier), (record,)


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
