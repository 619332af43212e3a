"""How one window's world lies in another's: a similarity from the views that both hold.

Every window comes with its own frame and its own unit of length. The unit is found from the depth
of the shared views, where both are confident; rotation and translation from their cameras, of which
some may be wrong. VGGT-Long (Deng et al. 2025, arXiv 2507.16443) aligns points alone.
"""

import math
from collections.abc import Sequence
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
from glance3d.windows.graph.edges import EdgeNoise

_CONFIDENT_SHARE = 0.5  # of a map's pixels, by each of the two confidences
_LEAST_BASELINE = 0.01  # of the depth: cameras that are closer tell no scale
# Of one view, even if all agree: radians, share of the depth, logarithm of scale.
_LEAST_NOISE = EdgeNoise(0.01, 0.01, 0.02)
#: What no overlap shows: from one end of a pass to the other its own rotation, position and scale
#: drift by about so much.
PASS_BENDING = EdgeNoise(0.015, 0.02, 0.05)


@dataclass(frozen=True)
class SharedViews:
    """What one pass of the network said of some views, in its own frame and at its own scale."""

    cam_from_world: Float[Tensor, "views 3 4"]
    depth: Float[Tensor, "views height width"]
    confidence: Float[Tensor, "views height width"]


@dataclass(frozen=True)
class ViewAlignment:
    """``first_from_second`` of two passes that saw the same views, and how well they agree.

    ``anchor``, ``unit`` and ``noise`` are those of a
    :class:`~glance3d.windows.graph.edges.WindowEdge`. Of the shared views: ``rotation_deg`` is the
    median angle between their cameras after joining, ``distance`` the median one between their
    positions as a share of their median depth, ``depth_spread`` by how much of itself the depth of
    a confident pixel still differs in the median, and ``scale_spread`` by how much the unit of
    length that the distances between cameras tell differs from the one that depth tells (None for
    cameras at one place). ``num_agreeing`` of the cameras agree by what their majority's noise
    allows.
    """

    first_from_second: Similarity
    anchor: Float[Tensor, "3"]
    unit: float
    noise: EdgeNoise
    num_agreeing: int
    rotation_deg: float
    distance: float
    depth_spread: float
    scale_spread: float | None


def align_views(
    views: Sequence[int],
    first: SharedViews,
    second: SharedViews,
    usable: Bool[Tensor, "views height width"],
) -> ViewAlignment:
    """From what two passes said of the same views; ``views`` name the second pass in a refusal.

    Raises:
        InputError: the depth of the views is of no use.
    """
    logs = _log_ratios(views, first, second, usable)
    pixels = torch.cat(logs)
    scale = math.exp(float(pixels.median()))
    unit = float(first.depth[usable & (first.depth > 0)].double().median())
    fit = estimate_robust_pose_similarity(
        second.cam_from_world,
        first.cam_from_world,
        min_sigma=AGREEING_DISTANCE * unit / INLIER_SIGMAS,
        min_angle_sigma=math.radians(AGREEING_ROTATION_DEG) / INLIER_SIGMAS,
        scale=scale,
    )
    assert fit.angles is not None
    assert fit.angle_sigma is not None
    centers = camera_centers(second.cam_from_world.double())
    agreeing = fit.inliers if bool(fit.inliers.any()) else torch.ones_like(fit.inliers)
    return ViewAlignment(
        fit.target_from_source,
        centers[agreeing].mean(0),
        unit,
        _noise(fit.angle_sigma, fit.sigma / unit, _spread_of_views(logs), int(agreeing.sum())),
        int(fit.inliers.sum()),
        math.degrees(float(fit.angles.quantile(0.5))),
        float(fit.distances.quantile(0.5)) / unit,
        math.expm1(float((pixels - math.log(scale)).abs().median())),
        _scale_spread(first.cam_from_world, second.cam_from_world, scale, unit),
    )


def compare_views(
    views: Sequence[int],
    first: SharedViews,
    second: SharedViews,
    usable: Bool[Tensor, "views height width"],
) -> ViewAlignment:
    """As :func:`align_views`, of passes in one world: their cameras were given."""
    pixels = torch.cat(_log_ratios(views, first, second, usable))
    spread = math.expm1(float(pixels.abs().median()))
    unit = float(first.depth[usable & (first.depth > 0)].double().median())
    anchor = camera_centers(second.cam_from_world.double()).mean(0)
    return ViewAlignment(
        identity_similarity(), anchor, unit, _LEAST_NOISE, len(usable), 0.0, 0.0, spread, None
    )


def _noise(angle: float, distance: float, log_scale: float, num_views: int) -> EdgeNoise:
    """Of a fit to so many views with these spreads, and of what a pass is bent within itself."""
    root = math.sqrt(num_views)
    measured = EdgeNoise(*(spread / root for spread in (angle, distance, log_scale)))
    one_view = EdgeNoise(*(noise / root for noise in _LEAST_NOISE.as_tuple()))
    return measured + one_view + PASS_BENDING


def _spread_of_views(logs: Sequence[Float[Tensor, " _"]]) -> float:
    """By how much views differ about the logarithm of scale."""
    medians = torch.stack([ratios.median() for ratios in logs if len(ratios)])
    return float(medians.std()) if len(medians) > 1 else 0.0


def _log_ratios(
    views: Sequence[int],
    first: SharedViews,
    second: SharedViews,
    usable: Bool[Tensor, "views height width"],
) -> list[Float[Tensor, " _"]]:
    """Logarithms of the first's depth over the second's, where both are confident, view by view."""
    ratios = []
    for view, counts in enumerate(usable):
        target, source = first.depth[view].double(), second.depth[view].double()
        counts = counts & (target > 0) & (source > 0) & (target.isfinite() & source.isfinite())
        for confidence in (first.confidence[view], second.confidence[view]):
            counts = counts & _confident(confidence, counts)
        ratios.append((target[counts] / source[counts]).log())
    if not any(map(len, ratios)):
        raise InputError(
            f"the window of views {min(views)} to {max(views)} cannot be joined to the others: "
            "the views that they share have no depth that counts (is everything masked?)"
        )
    return ratios


def _scale_spread(
    first: Float[Tensor, "views 3 4"],
    second: Float[Tensor, "views 3 4"],
    scale: float,
    unit: float,
) -> float | None:
    """How far the ratio of the distances between cameras is from ``scale``, as a share."""
    apart = [torch.pdist(camera_centers(poses.double())) for poses in (first, second)]
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
