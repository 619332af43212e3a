"""Depth maps scaled to measured points, view by view.

Bundle adjustment moves the cameras, and the network's depth no longer fits them; nor did the depth
of two views ever agree quite in scale. The points that a view is known to see say by how much.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.cameras import unproject_depth
from glance3d.geometry.filter import usable_depth
from glance3d.geometry.transforms import transform_points
from glance3d.refinement.depth_pairs import depth_pairs
from glance3d.types import Reconstruction
from glance3d.types.report_sections import DepthFitReport

# Views with so many points of their own decide on the common scale.
_MIN_POINTS = 8
# How many points the common scale counts for in a view with few.
_PRIOR_POINTS = 4.0
# A power other than 1 needs this many points, and must lower the held-out error by this factor.
_MIN_POINTS_FOR_POWER = 50
_WORTH_A_POWER = 0.9
_POWERS = (0.2, 2.0)
# Of iteratively reweighted least squares.
_ROUNDS = 20
# Residuals above this many robust standard deviations count linearly (Huber): 95 % efficiency for
# normal errors.
_HUBER = 1.345
# Standard deviation of a normal distribution over its median absolute deviation.
_DEVIATION_FROM_MEDIAN = 1.4826


@dataclass(frozen=True)
class DepthFit:
    """How one view's depth was aligned: ``aligned = scale * depth ** power``.

    ``error`` is the median relative distance of the aligned depth from ``num_points`` points.
    """

    scale: float
    power: float
    num_points: int
    error: float | None


def align_depth(scene: Reconstruction) -> Reconstruction:
    """The scene with its depth maps fitted to ``scene.sparse``, and ``points_world`` made anew.

    Per view one robust factor (Huber's M-estimator of the logarithm of measured over predicted
    depth). Where the view sees enough points and held-out ones are predicted clearly better by it,
    the depth is also raised to a power, which bends it as a shift would but never turns it
    negative. Views with few points lean on the common factor of all views, as far as they have to.
    ``report.depth_alignment`` has one entry a view. A scene without depth comes back as it is,
    one without points with the points of its cameras.
    """
    if scene.depth is None:
        return scene
    pairs = [_depth_pairs(scene, view) for view in range(scene.num_views)]
    logs = [(measured / predicted).log() for predicted, measured in pairs]
    common = _common_scale(logs)
    fits = [_fit(predicted, measured, common) for predicted, measured in pairs]
    aligned = torch.stack(
        [
            torch.where(usable_depth(depth), fit.scale * depth.clamp(min=0) ** fit.power, depth)
            for depth, fit in zip(scene.depth, fits, strict=True)
        ]
    )
    cameras = scene.cameras.on_grid(scene.placements)
    described = {
        name: DepthFitReport(fit.scale, fit.power, fit.num_points, fit.error)
        for name, fit in zip(scene.names, fits, strict=True)
    }
    return replace(
        scene,
        depth=aligned,
        points_world=unproject_depth(
            aligned, cameras.cam_from_world, cameras.intrinsics, radial=cameras.radial
        ),
        points_from="depth",
        report=scene.report.with_section("depth_alignment", described),
    )


def _depth_pairs(scene: Reconstruction, view: int) -> tuple[Tensor, Tensor]:
    """Predicted and measured z-depth where a view sees points; both above 0."""
    sparse, depth = scene.sparse, scene.depth
    assert depth is not None
    if sparse is None:
        return depth.new_zeros(0), depth.new_zeros(0)
    seen = sparse.view_indices == view
    points = sparse.points_world[sparse.point_indices[seen]]
    measured = transform_points(scene.cameras.cam_from_world[view], points)[:, 2]
    return depth_pairs(depth[view], scene.placements[view], sparse.pixels_original[seen], measured)


def _common_scale(logs: list[Tensor]) -> float:
    """Logarithm of what suits the views with enough points; of all points together without one."""
    medians = [log.median() for log in logs if len(log) >= _MIN_POINTS]
    joined = torch.stack(medians) if medians else torch.cat(logs)
    return float(joined.median()) if len(joined) else 0.0


def _fit(
    predicted: Float[Tensor, " points"], measured: Float[Tensor, " points"], common: float
) -> DepthFit:
    """log(measured) = power * log(predicted) + offset, robustly."""
    x, y = predicted.double().log(), measured.double().log()
    power = 1.0
    if len(x) >= _MIN_POINTS_FOR_POWER:
        # Alternate points are held out: those of a track file lie next to each other.
        held_out = torch.arange(len(x)) % 2 == 0
        error_without = _held_out_error(x, y, held_out, with_power=False)
        error_with = _held_out_error(x, y, held_out, with_power=True)
        if error_with < _WORTH_A_POWER * error_without:
            power = _robust_line(x, y, with_power=True)[1]
    offset = _huber_mean(y - power * x) if len(x) else common
    # The mean of its own offset and the common one, which counts as so many points.
    weight = len(x) / (len(x) + _PRIOR_POINTS) if len(x) < _MIN_POINTS_FOR_POWER else 1.0
    offset = weight * offset + (1 - weight) * common
    error = float((power * x + offset - y).expm1().abs().median()) if len(x) else None
    return DepthFit(float(torch.tensor(offset).exp()), power, len(x), error)


def _held_out_error(x: Tensor, y: Tensor, held_out: Tensor, with_power: bool) -> float:
    """Mean absolute error on each half of the line that fits the other one."""
    errors = []
    for test in (held_out, ~held_out):
        offset, power = _robust_line(x[~test], y[~test], with_power)
        errors.append((power * x[test] + offset - y[test]).abs())
    return float(torch.cat(errors).mean())


def _robust_line(x: Tensor, y: Tensor, with_power: bool) -> tuple[float, float]:
    """Offset and slope of y over x by Huber's M-estimator; the slope is 1 without power.

    Source: Huber, "Robust estimation of a location parameter", 1964, by reweighted least squares.
    """
    if not with_power:
        return _huber_mean(y - x), 1.0
    weights, power, offset = torch.ones_like(x), 1.0, 0.0
    for _ in range(_ROUNDS):
        total = weights.sum()
        mean_x, mean_y = (weights * x).sum() / total, (weights * y).sum() / total
        spread = (weights * (x - mean_x) ** 2).sum()
        slope = (weights * (x - mean_x) * (y - mean_y)).sum() / spread.clamp(min=1e-12)
        power = float(slope.clamp(*_POWERS))
        offset = float(mean_y - power * mean_x)
        weights = _huber_weights(y - power * x - offset)
    return offset, power


def _huber_mean(values: Float[Tensor, " points"]) -> float:
    mean = values.median()
    for _ in range(_ROUNDS):
        weights = _huber_weights(values - mean)
        mean = (weights * values).sum() / weights.sum()
    return float(mean)


def _huber_weights(residuals: Float[Tensor, " points"]) -> Float[Tensor, " points"]:
    """1 near 0, falling with the distance in units of a robust standard deviation."""
    deviation = _DEVIATION_FROM_MEDIAN * residuals.abs().median() + 1e-9
    return (_HUBER * deviation / residuals.abs().clamp(min=1e-12)).clamp(max=1)
