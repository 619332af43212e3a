"""Where the sight lines of several views meet (the midpoint method, of any number of lines)."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from glance3d.geometry.cameras import camera_rays
from glance3d.types import Reconstruction

# Radians: nearer to parallel, lines meet nowhere for sure; farther apart than this, they miss.
_MIN_PARALLAX = np.deg2rad(1.5)
_MOST_MISS = np.deg2rad(0.25)


def sight_lines(
    scene: Reconstruction, view: int, pixels: Float[np.ndarray, "pixels 2"]
) -> Float[np.ndarray, "pixels 3"]:
    """Unit vectors in the world along which a view sees original pixels; NaN where it cannot."""
    cameras = scene.cameras.double()
    radial = None if cameras.radial is None else cameras.radial[view].double()
    rays = camera_rays(torch.from_numpy(pixels).double(), cameras.intrinsics[view], radial)
    in_world = rays @ cameras.cam_from_world[view, :, :3]  # R^T ray, row by row
    return torch.nn.functional.normalize(in_world, dim=-1).numpy()


def triangulate_features(
    centers: Float[np.ndarray, "lines 3"],
    directions: Float[np.ndarray, "lines 3"],
    features: Int[np.ndarray, " lines"],
) -> tuple[Float[np.ndarray, "features 3"], Bool[np.ndarray, " features"]]:
    """A point for each feature, numbered from 0, and which are where all its lines meet.

    The point X is nearest to all lines c + t d: the sum of (I - d d^T) (X - c) is zero.
    """
    count = int(features.max()) + 1 if len(features) else 0
    usable = np.asarray(np.isfinite(directions).all(1))
    directions = np.nan_to_num(directions)
    across = np.eye(3) - directions[:, :, None] * directions[:, None]
    across[~usable] = 0
    normal, right = np.zeros((count, 3, 3)), np.zeros((count, 3))
    np.add.at(normal, features, across)
    np.add.at(right, features, np.einsum("nij,nj->ni", across, centers))
    # The smallest eigenvalue is about half the squared parallax of two lines, and more of several.
    values = np.linalg.eigvalsh(normal)[:, 0] if count else np.zeros(0)
    apart = values >= _MIN_PARALLAX**2 / 2
    points = np.zeros((count, 3))
    if apart.any():
        points[apart] = np.linalg.solve(normal[apart], right[apart][..., None])[..., 0]
    sight = points[features] - centers
    ahead = (sight * directions).sum(1)
    miss = np.linalg.norm(np.cross(sight, directions), axis=1)
    misses = ~(usable & (ahead > 0) & (miss <= _MOST_MISS * ahead))
    apart[features[misses]] = False
    return points, apart
