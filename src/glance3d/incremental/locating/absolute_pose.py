"""A camera's pose and focal length from pixels whose points in the world are known.

LO-RANSAC and a robust adjustment by pycolmap (Schoenberger and Frahm, "Structure-from-motion
revisited", CVPR 2016); where nobody knows the focal length, it is estimated with the pose.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from glance3d.incremental.locating.point_matches import PointMatches
from glance3d.refinement.pycolmap_interface import import_pycolmap, quiet

# Pixels at a diagonal of 1000 by which a match may be off.
_MAX_ERROR = 8.0
_MIN_MATCHES = 6
_MOST_SAMPLES = 20_000
# Of the inliers that a free focal length has, so many confirm one that is stated.
_CONFIRMED = 0.9


@dataclass(frozen=True)
class CameraGuess:
    """A COLMAP camera to start from; ``is_known``: its intrinsics stay as they are.

    ``focal_from`` is "scene", "exif" or "matches" (no focal length is stated).
    """

    camera: Any
    focal_from: str
    is_known: bool = False


@dataclass(frozen=True)
class AbsolutePose:
    """A pose, its intrinsics, what agrees with it, and one sigma of what is uncertain.

    Features are counted once, however many views they match. ``position_sigma`` is along each
    axis (root mean square), ``focal_sigma`` in pixels, 0 of a known focal length.
    """

    cam_from_world: Float[np.ndarray, "3 4"]
    intrinsics: Float[np.ndarray, "3 3"]
    focal_from: str
    is_inlier: Bool[np.ndarray, " matches"]
    inlier_pixels: Float[np.ndarray, "inliers 2"]
    num_inliers: int
    num_matches: int
    position_sigma: float
    rotation_sigma_deg: float
    focal_sigma: float


def estimate_absolute_pose(
    matches: PointMatches, guesses: Sequence[CameraGuess], seed: int
) -> AbsolutePose | None:
    """The pose by the first camera that the matches confirm; None where none leads to a pose.

    The last of ``guesses`` has a free focal length: an earlier one is confirmed if it has nearly
    as many inliers.
    """
    if len(matches) < _MIN_MATCHES:
        return None
    with quiet():
        tried = [_estimate(matches, guess, seed) for guess in guesses]
    poses = [pose for pose in tried if pose is not None]
    if not poses:
        return None
    most = max(pose.num_inliers for pose in poses)
    return next(pose for pose in poses if pose.num_inliers >= _CONFIRMED * most)


def _estimate(matches: PointMatches, guess: CameraGuess, seed: int) -> AbsolutePose | None:
    pycolmap = import_pycolmap()
    camera = pycolmap.Camera(guess.camera.todict())
    estimation = pycolmap.AbsolutePoseEstimationOptions()
    estimation.estimate_focal_length = guess.focal_from == "matches"
    estimation.ransac.max_error = _MAX_ERROR * math.hypot(camera.width, camera.height) / 1000
    estimation.ransac.max_num_trials = _MOST_SAMPLES
    estimation.ransac.random_seed = seed
    refinement = pycolmap.AbsolutePoseRefinementOptions()
    refinement.refine_focal_length = not guess.is_known
    found = pycolmap.estimate_and_refine_absolute_pose(
        matches.pixels, matches.points_world, camera, estimation, refinement
    )
    if found is None:
        return None
    pose = np.array(found["cam_from_world"].matrix())
    is_inlier = _inliers(matches, pose, camera, estimation.ransac.max_error)
    _, first = np.unique(matches.features[is_inlier], return_index=True)
    sigmas = _sigmas(matches, is_inlier, pose, camera, is_known=guess.is_known)
    return AbsolutePose(
        pose,
        np.array(camera.calibration_matrix()),
        guess.focal_from,
        is_inlier,
        matches.pixels[is_inlier][first],
        len(first),
        len(np.unique(matches.features)),
        *sigmas,
    )


def _inliers(
    matches: PointMatches, pose: Float[np.ndarray, "3 4"], camera: Any, max_error: float
) -> Bool[np.ndarray, " matches"]:
    """What lies in front of the camera and near enough to where it is seen."""
    in_camera = matches.points_world @ pose[:, :3].T + pose[:, 3]
    ahead = in_camera[:, 2] > 0
    error = np.full(len(matches), np.inf)
    error[ahead] = np.linalg.norm(
        camera.img_from_cam(in_camera[ahead]) - matches.pixels[ahead], axis=1
    )
    return error <= max_error


def _sigmas(
    matches: PointMatches,
    is_inlier: Bool[np.ndarray, " matches"],
    pose: Float[np.ndarray, "3 4"],
    camera: Any,
    *,
    is_known: bool,
) -> tuple[float, float, float]:
    """Of position, rotation (degrees) and focal length, by the inverse of the normal equations.

    Parameters are the camera's centre c, a small rotation w about its axes and the focal length f:
    a point is at q = exp([w]) R (X - c), so dq/dc = -R and dq/dw = -[q]; distortion counts for
    little here.
    """
    rotation = pose[:, :3]
    q = matches.points_world[is_inlier] @ rotation.T + pose[:, 3]
    residuals = camera.img_from_cam(q) - matches.pixels[is_inlier]
    count, focal = len(q), camera.mean_focal_length()
    x, y, z = q.T
    zero, one = np.zeros(count), np.ones(count)
    # d(pixel)/dq of f (x, y) / z.
    by_q = (focal / z)[:, None, None] * np.stack(
        [np.stack([one, zero, -x / z], -1), np.stack([zero, one, -y / z], -1)], 1
    )
    cross = np.stack(
        [
            np.stack([zero, -z, y], -1),
            np.stack([z, zero, -x], -1),
            np.stack([-y, x, zero], -1),
        ],
        1,
    )
    columns = [by_q @ -rotation, by_q @ -cross, np.stack([x / z, y / z], -1)[..., None]]
    jacobian = np.concatenate(columns[: 2 if is_known else 3], -1).reshape(2 * count, -1)
    freedom = 2 * count - jacobian.shape[1]
    if freedom < 1:
        return math.inf, math.inf, math.inf
    variance = float((residuals**2).sum()) / freedom
    size = np.linalg.norm(jacobian, axis=0).clip(1e-12)  # columns of one length invert safely
    inverse = np.linalg.pinv((jacobian / size).T @ (jacobian / size), hermitian=True)
    of_each = variance * inverse.diagonal() / size**2
    return (
        math.sqrt(of_each[:3].mean()),
        math.degrees(math.sqrt(of_each[3:6].mean())),
        0.0 if is_known else math.sqrt(of_each[6]),
    )
