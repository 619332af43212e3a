"""The points of a scene that pixels of its views show."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float

from glance3d.geometry.cameras import camera_rays
from glance3d.geometry.transforms import invert, transform_points
from glance3d.types import Reconstruction

# A feature within so many pixels (at a diagonal of 1000) of a measured point's is that point.
_SAME_FEATURE = 1.5


class ScenePoints(NamedTuple):
    """World points in float64; which are known, and which of these were measured."""

    points: Float[np.ndarray, "pixels 3"]
    known: Bool[np.ndarray, " pixels"]
    measured: Bool[np.ndarray, " pixels"]


def points_at(
    scene: Reconstruction, view: int, pixels: Float[np.ndarray, "pixels 2"]
) -> ScenePoints:
    """What a view shows at original pixels.

    Measured points where the view has one just there, else its depth where no other view
    contradicts it.
    """
    from scipy.spatial import KDTree  # takes long to import

    points, known = _points_by_depth(scene, view, pixels)
    measured = np.zeros(len(pixels), bool)
    if scene.sparse is not None:
        own = (scene.sparse.view_indices == view).numpy()
        if own.any():
            seen = scene.sparse.pixels_original.numpy()[own]
            distance, nearest = KDTree(seen).query(pixels)
            measured = distance <= _SAME_FEATURE * scene.cameras.of_views([view]).pixel_unit
            rows = scene.sparse.point_indices.numpy()[own][nearest[measured]]
            points[measured] = scene.sparse.points_world.double().numpy()[rows]
    return ScenePoints(points, known | measured, measured)


def _points_by_depth(
    scene: Reconstruction, view: int, pixels: Float[np.ndarray, "pixels 2"]
) -> tuple[Float[np.ndarray, "pixels 3"], Bool[np.ndarray, " pixels"]]:
    if scene.depth is None:
        return np.zeros((len(pixels), 3)), np.zeros(len(pixels), bool)
    original = torch.from_numpy(pixels).double()
    grid = scene.placements[view].to_processed(original).floor().long()
    height, width = scene.depth.shape[1:]
    inside = (grid >= 0).all(-1) & (grid[:, 0] < width) & (grid[:, 1] < height)
    x, y = grid[:, 0].clamp(0, width - 1), grid[:, 1].clamp(0, height - 1)
    depth = scene.depth[view, y, x].double()
    known = inside & scene.mask[view, y, x] & (depth > 0) & depth.isfinite()
    if scene.consistent is not None:
        known &= scene.consistent[view, y, x]
    cameras = scene.cameras.double()
    radial = None if cameras.radial is None else cameras.radial[view].double()
    rays = camera_rays(original, cameras.intrinsics[view], radial)
    world = transform_points(invert(cameras.cam_from_world[view]), rays * depth[:, None])
    known &= world.isfinite().all(-1)
    return torch.where(known[:, None], world, 0).numpy(), known.numpy()
