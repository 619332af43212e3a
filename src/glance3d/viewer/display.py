"""How a scene is displayed: upright, at a fixed scale, seen from near its first camera.

The display's world has y up, and its unit is chosen so that the visible surfaces lie a few units
away, because renderers clip at fixed distances. True lengths are shown as text, by
``Display.scale``.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.exporters.points.point_cloud import points_depth, select_points
from glance3d.exporters.presentation import upright_from_world
from glance3d.geometry.filter import usable_depth
from glance3d.geometry.rotations import quat_xyzw_from_rotation
from glance3d.geometry.similarity import Similarity, identity_similarity
from glance3d.types import Reconstruction

TYPICAL_DISTANCE = 4.0  # display units from a camera to what it sees
_SAMPLE = 50_000
# The first viewpoint, behind and above the first camera, in typical distances.
_BACK, _ABOVE = 0.25, 0.15
_PANEL = 0.25  # of half the picture's height: the shift that makes room for the panel


@dataclass(frozen=True)
class Pose:
    """Position and target of a viewer's camera in the display's world; up is its y axis."""

    position: Float[np.ndarray, "3"]
    look_at: Float[np.ndarray, "3"]
    fov: float  # radians, from the bottom of the screen to its top


def upright_display(scene: Reconstruction) -> Similarity:
    """``display_from_world``: y up, the first camera at the origin looking along -z."""
    rotation = upright_from_world(scene).double()
    scale = TYPICAL_DISTANCE / typical_distance(scene)
    return Similarity(scale, rotation, -scale * (rotation @ scene.cameras.centers[0].double()))


def displayed_like(
    before: Reconstruction, after: Reconstruction, display: Similarity
) -> Similarity:
    """``display_from_before``, where ``display`` is ``display_from_after``: for comparing them.

    Two versions of one scene have different worlds. They are aligned at their first cameras, the
    only pose that both share, with equal depth there.
    """

    def camera_from(scene: Reconstruction) -> Similarity:
        pose = scene.cameras.cam_from_world[0].double()
        return Similarity(1.0, pose[:, :3], pose[:, 3])

    ratio = typical_distance(after) / typical_distance(before)
    after_from_before = (
        camera_from(after)
        .inverse()
        .compose(replace(identity_similarity(), scale=ratio).compose(camera_from(before)))
    )
    return display.compose(after_from_before)


def typical_distance(scene: Reconstruction) -> float:
    """The median depth of the first view's points, or of all; else the cameras' distance."""
    if scene.points_world is not None:
        depth = points_depth(scene)
        for depths, mask in ((depth[0], scene.mask[0]), (depth, scene.mask)):
            seen = depths[usable_depth(depths) & mask]
            if len(seen):
                return max(float(seen[:: max(1, len(seen) // _SAMPLE)].median()), 1e-9)
    centers = scene.cameras.centers.double()
    spread = (centers - centers.mean(0)).norm(dim=1).max().item() if len(centers) > 1 else 0.0
    return 2 * spread if spread > 0 else 1.0


def surer_points(scene: Reconstruction) -> Float[Tensor, "points 3"]:
    """A uniform sample of the more certain half of the points, in the world."""
    if scene.points_world is None:
        return torch.zeros(0, 3, dtype=torch.float64)
    return select_points(scene, 50.0, _SAMPLE).points_world.double()


def first_look(
    scene: Reconstruction,
    display: Similarity,
    points: Float[np.ndarray, "points 3"],
    beside: Float[np.ndarray, "others 3"] | None = None,
) -> Pose:
    """A pose behind and above the first camera, with the middle of ``points`` in the picture.

    The points are a sample of the scene's, in the display's world; ``beside`` are those of the
    version to its left. A margin on the right stays free for the panel.
    """
    start = camera_pose(scene, display, 0)
    middle = _middle_seen(points, start)
    distance = np.linalg.norm(middle - start.position)
    towards = (middle - start.position) / distance
    fov = float(np.clip(start.fov, 0.7, 1.1))
    shown = points if beside is None else np.concatenate([points, beside])
    distance += _BACK * TYPICAL_DISTANCE
    if len(shown):
        low, high = np.quantile(shown[:, 0], (0.05, 0.95))
        wanted = (high - low) / 2 / np.tan(fov / 2)
        distance = max(distance, min(wanted, 4 * TYPICAL_DISTANCE))
        if beside is not None:
            middle = np.array([(low + high) / 2, *middle[1:]])
    middle = middle + np.array([_PANEL * distance * np.tan(fov / 2), 0.0, 0.0])
    above = np.array([0.0, _ABOVE * distance, 0.0])
    return Pose(middle - distance * towards + above, middle, fov)


def _middle_seen(points: Float[np.ndarray, "points 3"], start: Pose) -> np.ndarray:
    """The median of the points, if it is in front of the first camera; else its target."""
    if not len(points):
        return start.look_at
    middle = np.median(points, 0)
    aim, way = start.look_at - start.position, middle - start.position
    distance = np.linalg.norm(way)
    if distance < 0.2 * TYPICAL_DISTANCE or aim @ way < 0.5 * np.linalg.norm(aim) * distance:
        return start.look_at
    return middle


def camera_pose(scene: Reconstruction, display: Similarity, view: int) -> Pose:
    """The pose of one photo's camera."""
    pose = display.transform_cameras(scene.cameras.cam_from_world[view : view + 1].double())[0]
    rotation, center = pose[:, :3], -pose[:, :3].T @ pose[:, 3]
    target = center + TYPICAL_DISTANCE * rotation[2]
    return Pose(center.numpy(), target.numpy(), vertical_fov(scene, view))


def vertical_fov(scene: Reconstruction, view: int) -> float:
    """Of one original photo, in radians."""
    height = float(scene.cameras.image_sizes[view, 1])
    return float(2 * np.arctan2(height / 2, float(scene.cameras.intrinsics[view, 1, 1])))


def quaternion_wxyz(rotation: Float[Tensor, "3 3"]) -> Float[np.ndarray, "4"]:
    """A rotation as a quaternion in viser's order."""
    x, y, z, w = quat_xyzw_from_rotation(rotation.double()).tolist()
    return np.array([w, x, y, z])


def room_beside(one: Float[np.ndarray, "points 3"], other: Float[np.ndarray, "points 3"]) -> float:
    """How far to move the left points to the left, so that few of them overlap the right ones."""
    if not len(one) or not len(other):
        return TYPICAL_DISTANCE
    edge, limit = np.quantile(one[:, 0], 0.97), np.quantile(other[:, 0], 0.03)
    return float(np.clip(edge - limit + 0.05 * TYPICAL_DISTANCE, 0, 4 * TYPICAL_DISTANCE))
