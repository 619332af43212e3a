"""How one window's world lies in the scene's: a similarity from the views that both hold.

Every window comes with its own frame and its own unit of length. The unit is found from the depth
of the shared views, where both are confident; rotation and translation from their cameras, of which
some may be wrong. VGGT-Long (Deng et al. 2025, arXiv 2507.16443) aligns points alone.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.errors import InputError
from glance3d.geometry.cameras import camera_centers
from glance3d.geometry.robust_similarity import (
    AGREEING_DISTANCE,
    AGREEING_ROTATION_DEG,
    INLIER_SIGMAS,
    estimate_robust_pose_similarity,
)
from glance3d.geometry.similarity import Similarity, identity_similarity

_CONFIDENT_SHARE = 0.5  # of a map's pixels, by each of the two confidences
_LEAST_BASELINE = 0.01  # of the depth: cameras that are closer tell no scale


@dataclass(frozen=True)
class SharedViews:
    """What one pass of the network said of some views, in its own frame and at its own scale."""

    cam_from_world: Float[Tensor, "views 3 4"]
    depth: Float[Tensor, "views height width"]
    confidence: Float[Tensor, "views height width"]


@dataclass(frozen=True)
class WindowAlignment:
    """A window's place in the scene, and how well the views that both hold agree on it.

    Of the shared views: ``rotation_deg`` is the median angle between their cameras after joining,
    ``distance`` the median one between their positions as a share of their median depth,
    ``depth_spread`` by how much of itself the depth of a confident pixel still differs in the
    median, and ``scale_spread`` by how much the unit of length that the distances between cameras
    tell differs from the one that depth tells (None for cameras at one place). ``num_agreeing`` of
    the cameras agree by what their majority's noise allows.
    """

    views: tuple[int, ...]
    shared: tuple[int, ...]
    world_from_window: Similarity
    num_agreeing: int
    rotation_deg: float
    distance: float
    depth_spread: float
    scale_spread: float | None


def align_window(
    views: tuple[int, ...],
    shared: tuple[int, ...],
    scene: SharedViews,
    window: SharedViews,
    usable: Bool[Tensor, "views height width"],
) -> WindowAlignment:
    """``world_from_window`` of a window of these views, from the ``shared`` ones, seen twice.

    Raises:
        InputError: the depth of the shared views is of no use.
    """
    logs = _log_ratios(views, scene, window, usable)
    scale = math.exp(float(logs.median()))
    unit = float(scene.depth[usable & (scene.depth > 0)].double().median())
    fit = estimate_robust_pose_similarity(
        window.cam_from_world,
        scene.cam_from_world,
        min_sigma=AGREEING_DISTANCE * unit / INLIER_SIGMAS,
        min_angle_sigma=math.radians(AGREEING_ROTATION_DEG) / INLIER_SIGMAS,
        scale=scale,
    )
    assert fit.angles is not None
    return WindowAlignment(
        views,
        shared,
        fit.target_from_source,
        int(fit.inliers.sum()),
        math.degrees(float(fit.angles.quantile(0.5))),
        float(fit.distances.quantile(0.5)) / unit,
        math.expm1(float((logs - math.log(scale)).abs().median())),
        _scale_spread(scene.cam_from_world, window.cam_from_world, scale, unit),
    )


def compare_window(
    views: tuple[int, ...],
    shared: tuple[int, ...],
    scene: SharedViews,
    window: SharedViews,
    usable: Bool[Tensor, "views height width"],
) -> WindowAlignment:
    """As :func:`align_window`, of a window that is in the scene's world: its cameras were given."""
    spread = math.expm1(float(_log_ratios(views, scene, window, usable).abs().median()))
    return WindowAlignment(
        views, shared, identity_similarity(), len(shared), 0.0, 0.0, spread, None
    )


def _log_ratios(
    views: tuple[int, ...],
    scene: SharedViews,
    window: SharedViews,
    usable: Bool[Tensor, "views height width"],
) -> Float[Tensor, " pixels"]:
    """Logarithms of the scene's depth over the window's, where both are confident."""
    ratios = []
    for view, counts in enumerate(usable):
        target, source = scene.depth[view].double(), window.depth[view].double()
        counts = counts & (target > 0) & (source > 0) & (target.isfinite() & source.isfinite())
        for confidence in (scene.confidence[view], window.confidence[view]):
            counts = counts & _confident(confidence, counts)
        ratios.append((target[counts] / source[counts]).log())
    if not any(map(len, ratios)):
        raise InputError(
            f"the window of views {min(views)} to {max(views)} cannot be joined to the others: "
            "the views that they share have no depth that counts (is everything masked?)"
        )
    return torch.cat(ratios)


def _scale_spread(
    scene: Float[Tensor, "views 3 4"],
    window: Float[Tensor, "views 3 4"],
    scale: float,
    unit: float,
) -> float | None:
    """How far the ratio of the distances between cameras is from ``scale``, as a share."""
    apart = [torch.pdist(camera_centers(poses.double())) for poses in (scene, window)]
    seen = (apart[0] > _LEAST_BASELINE * unit) & (apart[1] * scale > _LEAST_BASELINE * unit)
    if not bool(seen.any()):
        return None
    ratio = float((apart[0][seen] / apart[1][seen]).log().quantile(0.5)) - math.log(scale)
    return math.expm1(abs(ratio))


def _confident(
    confidence: Float[Tensor, "height width"], counts: Bool[Tensor, "height width"]
) -> Bool[Tensor, "height width"]:
    """The better part of what counts; all of it where one value is as good as the other."""
    if not bool(counts.any()):
        return counts
    return confidence >= confidence[counts].quantile(1 - _CONFIDENT_SHARE)
