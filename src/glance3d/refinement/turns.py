"""Pairs of photos between which the camera only turned: they measure no distance."""

import numpy as np
from jaxtyping import Float

from glance3d.refinement.correspondence_graph import VerifiedPair
from glance3d.refinement.epipolar import fundamental_scale
from glance3d.types import Cameras

# A turn explains a pair's matches if it takes half of them, and nine in ten, to within so many
# pixels at a diagonal of a thousand. Matches themselves are about a pixel off.
_MEDIAN = 1.5
_P90 = 4.0
_ROUNDS = 5
_MAX_MATCHES = 500
# Focal lengths that are tried, relative to the given one: adjusted to matches without parallax, or
# guessed by a network, it may be far off.
_FOCAL_SCALES = tuple(2.0 ** (step / 5) for step in range(-5, 6))


def only_turned(pair: VerifiedPair, cameras: Cameras) -> bool:
    """Whether one camera, turned about its centre, could have taken both photos.

    Its focal length may be anything from half to twice what ``cameras`` say. A plane that is seen
    from two places looks otherwise: its image is sheared as no turn does.
    """
    step = -(-len(pair) // _MAX_MATCHES)
    first, second = pair.pixels_first[::step], pair.pixels_second[::step]
    views = [pair.first, pair.second]
    intrinsics = cameras.intrinsics[views].double().numpy()
    unit = fundamental_scale(cameras)
    for scale in _FOCAL_SCALES:
        zoomed = intrinsics * np.array([[scale, scale, 1], [scale, scale, 1], [1, 1, 1]])
        misses = _misses(_rays(first, zoomed[0]), _rays(second, zoomed[1])) * zoomed[1, 0, 0]
        if np.median(misses) < _MEDIAN * unit and np.quantile(misses, 0.9) < _P90 * unit:
            return True
    return False


def _misses(
    first: Float[np.ndarray, "matches 3"], second: Float[np.ndarray, "matches 3"]
) -> Float[np.ndarray, " matches"]:
    """Distances of unit vectors after the rotation with the least sum of them.

    Least absolute values by reweighted least squares, each solved as Kabsch did.
    """
    weights, misses = np.ones(len(first)), np.zeros(len(first))
    for _ in range(_ROUNDS):
        left, _, right = np.linalg.svd((second * weights[:, None]).T @ first)
        flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
        misses = np.linalg.norm(second - first @ (left @ flip @ right).T, axis=1)
        weights = 1 / np.maximum(misses, 1e-6)
    return misses


def _rays(
    pixels: Float[np.ndarray, "matches 2"], intrinsics: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "matches 3"]:
    """Unit vectors; distortion is ignored, as it is in epipolar errors."""
    homogeneous = np.concatenate([pixels, np.ones((len(pixels), 1))], 1)
    rays = homogeneous @ np.linalg.inv(intrinsics).T
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)
