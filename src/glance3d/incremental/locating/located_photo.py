"""What is found out about one photo, and how sure it is."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.cameras import camera_centers
from glance3d.incremental.locating.absolute_pose import AbsolutePose

LOCATED, UNCERTAIN, NOT_FOUND = "located", "uncertain", "not found"

# Features of the photo that lie where the pose puts them.
_MIN_INLIERS, _ENOUGH_INLIERS = 12, 30
_ENOUGH_SHARE = 0.3
# Root mean square distance from their middle, in half diagonals of the photo; 0.58 is all over it.
_ENOUGH_SPREAD = 0.1
_MOST_ROTATION_SIGMA_DEG = 2.0


@dataclass(frozen=True)
class LocatedPhoto:
    """Where a photo was taken, in the world of a scene.

    ``verdict`` is "located", "uncertain" or "not found", ``reasons`` say why. ``cam_from_world``
    [3, 4] and ``intrinsics`` [3, 3] (pixels of the upright photo, whose (width, height) is
    ``image_size``) are None where it was not found. Of ``num_matches`` features of the photo that
    match ones of the scene, ``num_inliers`` lie where this camera sees the scene's points;
    ``seen_beside`` are the photos of the scene that have most of them. ``matched_by`` is "sift" or
    the name of the network whose descriptors matched. ``focal_from`` says who knew the focal
    length: "scene" (a photo of the same camera), "exif" or "matches". ``position_sigma`` (along
    each axis, in the scene's units), ``rotation_sigma_deg`` and ``focal_sigma`` (pixels) follow
    from how far the inliers are off; an error that all points of the scene share is not in them.
    """

    name: str
    source: str
    verdict: str
    reasons: tuple[str, ...]
    image_size: tuple[int, int] | None = None
    cam_from_world: Float[Tensor, "3 4"] | None = None
    intrinsics: Float[Tensor, "3 3"] | None = None
    num_matches: int = 0
    num_inliers: int = 0
    seen_beside: tuple[str, ...] = ()
    matched_by: str | None = None
    focal_from: str | None = None
    position_sigma: float | None = None
    rotation_sigma_deg: float | None = None
    focal_sigma: float | None = None

    @property
    def position(self) -> Float[Tensor, "3"] | None:
        """Where the camera stood, in the scene's world; None where it was not found."""
        return None if self.cam_from_world is None else camera_centers(self.cam_from_world)

    def to_json(self) -> dict[str, object]:
        """For a file, JSON-ready."""
        tensors = {
            "position": self.position,
            "cam_from_world": self.cam_from_world,
            "intrinsics": self.intrinsics,
        }
        plain = {key: value for key, value in vars(self).items() if key not in tensors}
        return plain | {k: None if t is None else t.tolist() for k, t in tensors.items()}


def judge_pose(pose: AbsolutePose, size: tuple[int, int]) -> tuple[str, tuple[str, ...]]:
    """The verdict on a pose of a photo of this (width, height), and why."""
    inliers, matches = pose.num_inliers, pose.num_matches
    said = f"{inliers} of {matches} matched features lie where this camera sees them"
    if inliers < _MIN_INLIERS:
        return NOT_FOUND, (f"at most {said}; at least {_MIN_INLIERS} are wanted",)
    doubts = []
    if inliers < _ENOUGH_INLIERS:
        doubts.append(f"fewer than {_ENOUGH_INLIERS} features agree")
    if inliers < _ENOUGH_SHARE * matches:
        doubts.append(f"less than {_ENOUGH_SHARE:.0%} of the matches agree")
    if _spread(pose.inlier_pixels, size) < _ENOUGH_SPREAD:
        doubts.append("they lie in one small part of the photo")
    if not pose.rotation_sigma_deg <= _MOST_ROTATION_SIGMA_DEG:
        doubts.append(f"its direction is known to {pose.rotation_sigma_deg:.1f} degrees only")
    return UNCERTAIN if doubts else LOCATED, (said, *doubts)


def _spread(pixels: Float[np.ndarray, "inliers 2"], size: tuple[int, int]) -> float:
    middle = pixels - pixels.mean(0)
    return float(np.sqrt((middle**2).sum(1).mean())) / (math.hypot(*size) / 2)


def not_found(name: str, source: str, reason: str, size: tuple[int, int] | None) -> LocatedPhoto:
    """A photo that nothing places."""
    return LocatedPhoto(name, source, NOT_FOUND, (reason,), size)


def located(
    name: str, source: str, pose: AbsolutePose, size: tuple[int, int], seen_beside: tuple[str, ...]
) -> LocatedPhoto:
    """A photo and the verdict on its pose; one that is not believed is not in it."""
    verdict, reasons = judge_pose(pose, size)
    if verdict == NOT_FOUND:
        return LocatedPhoto(
            name, source, verdict, reasons, size, None, None, pose.num_matches, pose.num_inliers
        )
    return LocatedPhoto(
        name,
        source,
        verdict,
        reasons,
        size,
        torch.from_numpy(pose.cam_from_world),
        torch.from_numpy(pose.intrinsics),
        pose.num_matches,
        pose.num_inliers,
        seen_beside,
        None,
        pose.focal_from,
        pose.position_sigma,
        pose.rotation_sigma_deg,
        pose.focal_sigma,
    )
