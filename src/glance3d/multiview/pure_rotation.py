"""Pairs of photos between which the camera only turned: they measure no distance."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from glance3d.multiview.epipolar_errors import pixel_unit
from glance3d.multiview.view_graph import VerifiedPair
from glance3d.types import Cameras

# A turn explains a pair's matches if it takes half of them, and nine in ten, to within so many
# pixels, or of pixels at a diagonal of a thousand where these are larger. Matches are about half
# a pixel off.
_MEDIAN = 1.5
_P90 = 4.0
# It must do so nearly as well as any homography does: a plane that is passed by looks like a turn,
# but not quite. Times as far, and pixels farther.
_TIMES_AS_FAR = 1.25
_FARTHER = 0.15
_ROUNDS = 5
_MAX_MATCHES = 500
# Focal lengths that are tried, in longer sides: those of most cameras. Adjusted to matches without
# parallax, or guessed by a network, the cameras' own may be far off. With much longer ones a turn
# would explain a plane that is passed by, too.
_FOCALS = tuple(0.5 * 1.17**step for step in range(9))
_FINE_STEPS = tuple(1.02**step for step in range(-7, 8) if step)


def is_pure_rotation(pair: VerifiedPair, *candidates: Cameras) -> bool:
    """Whether one camera, turned about its centre, could have taken both photos.

    Its focal length is that of any of the ``candidates``, or any usual one. A plane that is seen
    from two places looks otherwise: its image is sheared as no turn does.
    """
    step = -(-len(pair) // _MAX_MATCHES)
    first, second = pair.pixels_first[::step], pair.pixels_second[::step]
    unit = max(1.0, pixel_unit(candidates[0]))
    best = _best_turn(pair, first, second, candidates)
    if np.median(best) > _MEDIAN * unit or np.quantile(best, 0.9) > _P90 * unit:
        return False
    least = float(np.median(_homography_misses(first, second)))
    return bool(np.median(best) <= _TIMES_AS_FAR * least + _FARTHER * unit)


def _best_turn(
    pair: VerifiedPair,
    first: Float[np.ndarray, "matches 2"],
    second: Float[np.ndarray, "matches 2"],
    candidates: Sequence[Cameras],
) -> Float[np.ndarray, " matches"]:
    """Misses in pixels under the focal length that suits a turn best."""
    views = [pair.first, pair.second]

    def misses(lenses: Float[np.ndarray, "2 3 3"]) -> Float[np.ndarray, " matches"]:
        return _turn_misses(_rays(first, lenses[0]), _rays(second, lenses[1])) * lenses[1, 0, 0]

    sizes = candidates[0].image_sizes[views].double().numpy()
    tried = [misses(cameras.intrinsics[views].double().numpy()) for cameras in candidates]
    coarse = {focal: misses(_lenses(sizes, focal)) for focal in _FOCALS}
    near = min(coarse, key=lambda focal: float(np.median(coarse[focal])))
    fine = [misses(_lenses(sizes, near * step)) for step in _FINE_STEPS]
    return min([*tried, *coarse.values(), *fine], key=np.median)


def _lenses(sizes: Float[np.ndarray, "2 2"], focal: float) -> Float[np.ndarray, "2 3 3"]:
    """Intrinsics of centred lenses whose focal length is in longer sides."""
    lenses = np.zeros((2, 3, 3))
    lenses[:, [0, 1], [0, 1]] = focal * sizes.max(1, keepdims=True)
    lenses[:, :2, 2], lenses[:, 2, 2] = sizes / 2, 1.0
    return lenses


def _turn_misses(
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


def _homography_misses(
    first: Float[np.ndarray, "matches 2"], second: Float[np.ndarray, "matches 2"]
) -> Float[np.ndarray, " matches"]:
    """Distances in pixels in the second photo after the best homography, likewise reweighted.

    Source: Hartley and Zisserman, "Multiple View Geometry", section 4.1, the normalised direct
    linear transform; each equation is weighted so that it measures pixels.
    """
    (_, a), (to_b, b) = _normalised(first), _normalised(second)
    zero = np.zeros_like(a)
    equations = np.concatenate(
        [
            np.concatenate([a, zero, -b[:, :1] * a], 1),
            np.concatenate([zero, a, -b[:, 1:2] * a], 1),
        ]
    )
    weights, misses = np.ones(len(a)), np.zeros(len(a))
    for _ in range(_ROUNDS):
        _, _, right = np.linalg.svd(equations * np.tile(weights, 2)[:, None], full_matrices=False)
        mapped = a @ right[-1].reshape(3, 3).T
        scale = np.where(np.abs(mapped[:, 2]) > 1e-9, mapped[:, 2], 1e-9)
        misses = np.linalg.norm(mapped[:, :2] / scale[:, None] - b[:, :2], axis=1) / to_b
        weights = 1 / np.abs(scale) / np.sqrt(np.maximum(misses, 1e-3))
    return misses


def _normalised(
    pixels: Float[np.ndarray, "matches 2"],
) -> tuple[float, Float[np.ndarray, "matches 3"]]:
    """Homogeneous pixels about 0 at a distance of about 1, and by how much they were scaled."""
    centred = pixels - pixels.mean(0)
    scale = 1 / max(float(np.linalg.norm(centred, axis=1).mean()), 1e-9)
    return scale, np.concatenate([centred * scale, np.ones((len(pixels), 1))], 1)


def _rays(
    pixels: Float[np.ndarray, "matches 2"], intrinsics: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "matches 3"]:
    """Unit vectors; distortion is ignored, as it is in epipolar errors."""
    homogeneous = np.concatenate([pixels, np.ones((len(pixels), 1))], 1)
    rays = homogeneous @ np.linalg.inv(intrinsics).T
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)
