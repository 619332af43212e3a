"""Transform a scene into metres, and into a known frame; its report has the error of both."""

import math
from dataclasses import replace
from itertools import combinations

import torch

from glance3d.errors import InputError
from glance3d.geometry.similarity import Similarity, identity_similarity
from glance3d.metric_scale.constraints import MetricConstraints
from glance3d.metric_scale.estimates import Interval, ScaleEstimate
from glance3d.metric_scale.positions import scale_from_gps, scale_from_poses
from glance3d.metric_scale.readings import scale_from_depths, scale_from_distances
from glance3d.types import Reconstruction, ReportWarning
from glance3d.types.report_sections import MetricScaleReport

# Order of precedence if estimates contradict each other. Known poses also decide the frame.
_PRECEDENCE = ("known poses", "known distances", "known depth", "gps")
# An estimate without an interval is compared as if it could be off by so much.
_ASSUMED_HALF_WIDTH = 0.1


def apply_metric_scale(
    scene: Reconstruction, constraints: MetricConstraints, *, seed: int = 0
) -> Reconstruction:
    """Move and scale a scene into metres by known poses, GPS, distances or depths.

    The whole scene is transformed by one similarity; relative poses stay as they were estimated. If
    kinds of constraints contradict each other, this is reported and the most trusted kind is used
    alone: nothing is averaged. The result is deterministic for a seed.

    Args:
        scene: A scene in arbitrary units.
        constraints: What is known; lengths in metres, pixels (x, y) of the original photos.
        seed: Of the robust estimation's random samples.

    Returns:
        The transformed scene. ``units`` are "metre" only if the error of the scale is below half of
        it; ``world`` changes only if rotation and position are determined as well.
        ``report.metric_scale`` has the scale and its error.

    Raises:
        InputError: no constraints, or one for a photo or pixel that the scene does not have.
        SceneError: lengths in photos are known, but the scene has no depth to read them by.
    """
    if not constraints:
        raise InputError(
            "nothing is known of the scene's size: give poses, GPS, distances or depth"
        )
    estimates = _estimates(scene, constraints, seed)
    contradictions = _contradictions(estimates)
    scale = _chosen_scale(estimates, bool(contradictions))
    frame = next((estimate for estimate in estimates if _has_frame(estimate, scale)), None)
    new_from_world = _similarity(scale, frame)
    doubts = [doubt for estimate in estimates for doubt in estimate.doubts]
    doubts += [*contradictions, *_unused(estimates, scale)]
    moved = scene.moved(
        new_from_world,
        units="metre" if scale else None,
        world=_world(scale, frame),
    )
    section = _describe(moved, estimates, scale, frame)
    warnings = ReportWarning.each("metric_scale", "doubt", doubts)
    return replace(moved, report=scene.report.with_section("metric_scale", section, warnings))


def _estimates(
    scene: Reconstruction, constraints: MetricConstraints, seed: int
) -> list[ScaleEstimate]:
    """One of each kind that was given, in the order of precedence."""
    estimates = []
    if constraints.poses is not None:
        estimates.append(scale_from_poses(scene, constraints.poses, seed))
    if constraints.distances:
        estimates.append(scale_from_distances(scene, constraints.distances))
    if constraints.depths:
        estimates.append(scale_from_depths(scene, constraints.depths))
    if constraints.gps:
        estimates.append(scale_from_gps(scene, seed))
    return estimates


def _interval(estimate: ScaleEstimate) -> Interval:
    if estimate.interval is not None:
        return estimate.interval
    scale = estimate.metres_per_unit or math.nan
    return scale * (1 - _ASSUMED_HALF_WIDTH), scale * (1 + _ASSUMED_HALF_WIDTH)


def _contradictions(estimates: list[ScaleEstimate]) -> list[str]:
    sentences = []
    for one, other in combinations([e for e in estimates if e.is_usable], 2):
        (low, high), (other_low, other_high) = _interval(one), _interval(other)
        near = abs(math.log((one.metres_per_unit or 1) / (other.metres_per_unit or 1))) < 0.02
        if (low > other_high or other_low > high) and not near:
            used = min((one.by, other.by), key=_PRECEDENCE.index)
            sentences.append(
                f"{one.by} and {other.by} contradict each other: {one.metres_per_unit:.4g} "
                f"({low:.4g} to {high:.4g}) and {other.metres_per_unit:.4g} ({other_low:.4g} to "
                f"{other_high:.4g}) metres a unit; {used} is believed"
            )
    return sentences


def _chosen_scale(estimates: list[ScaleEstimate], contradictory: bool) -> ScaleEstimate | None:
    """Metric known poses; of others the surest one, or the most trusted if they are in dispute."""
    usable = [estimate for estimate in estimates if estimate.is_usable]
    if not usable:
        return None
    if contradictory or usable[0].by == "known poses":
        return min(usable, key=lambda estimate: _PRECEDENCE.index(estimate.by))
    return min(usable, key=lambda e: math.inf if e.interval is None else e.half_width or 0.0)


def _has_frame(estimate: ScaleEstimate, scale: ScaleEstimate | None) -> bool:
    """Whether it determines rotation and position of the world, in usable lengths."""
    if estimate.frame is None:
        return False
    return estimate.by == "known poses" or (scale is not None and estimate.is_usable)


def _similarity(scale: ScaleEstimate | None, frame: ScaleEstimate | None) -> Similarity:
    metres_per_unit = None if scale is None else scale.metres_per_unit
    if frame is None or frame.frame is None:
        return replace(identity_similarity(), scale=metres_per_unit or 1.0)
    known = frame.frame
    if metres_per_unit is None or metres_per_unit == known.scale:
        return known
    if not frame.is_metric and frame.metres_per_unit is not None:
        # Its lengths have no unit: the whole frame grows until it is in metres.
        shift = known.translation * (metres_per_unit / known.scale)
    else:
        pivot = torch.tensor(frame.pivot, dtype=torch.float64)
        shift = known.translation + (known.scale - metres_per_unit) * (known.rotation @ pivot)
    return Similarity(metres_per_unit, known.rotation, shift)


def _world(scale: ScaleEstimate | None, frame: ScaleEstimate | None) -> str | None:
    if frame is None:
        return None
    if scale is not None and not frame.is_metric:
        return f"{frame.world}, in metres"
    return frame.world


def _unused(estimates: list[ScaleEstimate], scale: ScaleEstimate | None) -> list[str]:
    """Why what was given does not make the scene metric."""
    sentences = [
        f"{estimate.by}: the scale is known too badly to speak of metres "
        f"({estimate.interval[0]:.3g} to {estimate.interval[1]:.3g} metres a unit)"
        for estimate in estimates
        if estimate.metres_per_unit is not None
        and estimate.is_metric
        and estimate.interval is not None
        and estimate.half_width is None
    ]
    if scale is None:
        sentences.append("no scale could be told: lengths keep the unit that they had")
    return sentences


def _describe(
    scene: Reconstruction,
    estimates: list[ScaleEstimate],
    scale: ScaleEstimate | None,
    frame: ScaleEstimate | None,
) -> MetricScaleReport:
    return MetricScaleReport(
        applied=scale is not None,
        units=scene.units,
        world=scene.world,
        scale_by=None if scale is None else scale.by,
        frame_by=None if frame is None else frame.by,
        metres_per_unit=None if scale is None else scale.metres_per_unit,
        interval_95=None if scale is None else scale.interval,
        estimates=tuple(estimate.describe() for estimate in estimates),
    )
