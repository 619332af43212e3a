"""Scale and frame from where cameras stand: GPS in EXIF, or poses that are known."""

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.cameras import camera_centers
from glance3d.geometry.geodesy import GeodeticOrigin, enu_from_geodetic
from glance3d.geometry.robust_similarity import (
    AGREEING_DISTANCE,
    AGREEING_ROTATION_DEG,
    INLIER_SIGMAS,
    RobustSimilarity,
    estimate_robust_pose_similarity,
    estimate_robust_similarity,
    principal_spread,
    root_mean_square_spread,
)
from glance3d.geometry.transforms import is_known
from glance3d.metric_scale.constraints import KnownPoses
from glance3d.metric_scale.estimates import Measure, ScaleEstimate, student_quantile
from glance3d.types import Reconstruction

# Error of a phone's or camera's GPS receiver along an axis, in metres, under an open sky.
GPS_NOISE = 5.0
# From so many positions on, their own scatter tells the noise; fewer fit too well by chance.
_ENOUGH_FOR_NOISE = 4
# Beyond such a noise of the rotations (radians along an axis) poses have nothing in common.
_LARGEST_ANGLE_NOISE = 0.35
# Beyond such an error of the rotation about the line of positions, "up" would be a guess.
_LARGEST_ROLL_ERROR_DEG = 10.0


def scale_from_gps(scene: Reconstruction, seed: int = 0) -> ScaleEstimate:
    """Scale from the photos' GPS, and the East-North-Up frame where positions determine it."""
    geodetic, views, doubts = _gps_positions(scene)
    names = [scene.names[view] for view in views]
    if len(views) < 2:
        reason = (
            "no photo's EXIF holds a position" if not views else f"only {names[0]} has a position"
        )
        return ScaleEstimate("gps", None, doubts=(f"gps: {reason}: no scale can be told",))
    latitude, longitude, altitude = geodetic.median(0).values.tolist()
    origin = GeodeticOrigin(latitude, longitude, altitude)
    target = enu_from_geodetic(geodetic, origin)
    source = scene.cameras.centers.double()[views]
    if root_mean_square_spread(source) <= 1e-6 * float(source.abs().max() + 1e-12):
        doubt = "gps: the cameras stand at one place of the scene: no scale can be told"
        return ScaleEstimate("gps", None, doubts=(*doubts, doubt))
    if root_mean_square_spread(target) <= 1e-6:
        doubt = "gps: all photos have the very same position: no scale can be told"
        return ScaleEstimate("gps", None, doubts=(*doubts, doubt))
    if len(views) == 2:
        return _from_two(names, source, target, doubts)
    fit = estimate_robust_similarity(source, target, seed=seed)
    freedom = 3 * int(fit.inliers.sum()) - 7
    noise = fit.sigma
    if int(fit.inliers.sum()) < _ENOUGH_FOR_NOISE:
        noise, freedom = max(GPS_NOISE, fit.sigma), 1000
        doubts.append(
            f"gps: three positions fit too well to tell their noise, {GPS_NOISE:g} m are assumed"
        )
    estimate = _estimate_of("gps", names, source, fit, noise, freedom)
    doubts += _doubts_of_gps(root_mean_square_spread(target[fit.inliers]), noise)
    roll = _roll_error_deg(source, fit, noise)
    if roll > _LARGEST_ROLL_ERROR_DEG:
        doubts.append(
            "gps: the positions lie on a line, nearly: the rotation about it is not determined "
            f"(error {'unbounded' if roll > 90 else f'{roll:.0f} degrees'}), so that only the "
            "scale is used and the world stays as it was"
        )
        return replace(estimate, frame=None, doubts=(*doubts, *estimate.doubts))
    return replace(estimate, world=origin.world, doubts=(*doubts, *estimate.doubts))


def scale_from_poses(scene: Reconstruction, poses: KnownPoses, seed: int = 0) -> ScaleEstimate:
    """Scale and frame from known poses; of a single one the frame alone."""
    known = is_known(poses.cam_from_world)
    views = known.nonzero()[:, 0].tolist()
    metric = poses.units == "metre"
    if not views:
        doubt = "known poses: no photo of the scene has one"
        return ScaleEstimate("known poses", None, doubts=(doubt,), is_metric=metric)
    source = scene.cameras.cam_from_world.double()[known]
    target = poses.cam_from_world.double()[known]
    known_spread = root_mean_square_spread(camera_centers(target))
    fit = estimate_robust_pose_similarity(
        source,
        target,
        min_sigma=AGREEING_DISTANCE * known_spread / INLIER_SIGMAS,
        min_angle_sigma=math.radians(AGREEING_ROTATION_DEG) / INLIER_SIGMAS,
        seed=seed,
    )
    centers = camera_centers(source)
    freedom = 3 * int(fit.inliers.sum()) - 4
    names = [scene.names[view] for view in views]
    estimate = _estimate_of("known poses", names, centers, fit, fit.sigma, freedom)
    doubts = list(estimate.doubts)
    if len(views) == 1 or root_mean_square_spread(centers) <= 1e-6 * float(
        centers.abs().max() + 1e-12
    ):
        doubts.append("known poses: they stand at one place: the frame is known, the scale is not")
        estimate = replace(estimate, metres_per_unit=None, interval=None)
    elif estimate.half_width is None or (fit.angle_sigma or 0.0) > _LARGEST_ANGLE_NOISE:
        doubts.append(
            "known poses: they and the estimated ones contradict each other throughout: neither "
            "their frame nor their scale is used"
        )
        estimate = replace(estimate, metres_per_unit=None, interval=None, frame=None)
    elif len(views) == 2:
        doubts.append("known poses: of two, which one is wrong could not be told")
    if not metric:
        doubts.append(
            "known poses: their file does not say that its lengths are metres; they give the frame"
        )
    world = None if estimate.frame is None else poses.world
    return replace(estimate, world=world, is_metric=metric, doubts=tuple(doubts))


def _gps_positions(
    scene: Reconstruction,
) -> tuple[Float[Tensor, "positions 3"], list[int], list[str]]:
    """Latitude, longitude and height of the views that have them."""
    rows, views, without_height = [], [], 0
    for view, photo in enumerate(scene.metadata):
        if photo.latitude is not None and photo.longitude is not None:
            height = float("nan") if photo.altitude is None else photo.altitude
            rows.append((photo.latitude, photo.longitude, height))
            views.append(view)
            without_height += photo.altitude is None
    geodetic = torch.tensor(rows, dtype=torch.float64).reshape(-1, 3)
    doubts = []
    if without_height:
        heights = geodetic[:, 2]
        middle = heights.nanmedian() if without_height < len(rows) else heights.new_zeros(())
        geodetic[:, 2] = torch.where(heights.isnan(), middle, heights)
        doubts.append(
            f"gps: {without_height} of {len(rows)} positions have no height; the others' median "
            "stands for it"
            if without_height < len(rows)
            else "gps: no position has a height: all are taken to be at the same"
        )
    return geodetic, views, doubts


def _from_two(
    names: list[str],
    source: Float[Tensor, "2 3"],
    target: Float[Tensor, "2 3"],
    doubts: list[str],
) -> ScaleEstimate:
    """The ratio of two distances, with the noise that such receivers usually have."""
    length, metres = float((source[1] - source[0]).norm()), float((target[1] - target[0]).norm())
    reach = 1.959964 * math.sqrt(2) * GPS_NOISE
    doubt = (
        "gps: two positions tell a scale and no direction; their noise is taken to be "
        f"{GPS_NOISE:g} m along an axis"
    )
    measures = tuple(Measure(name) for name in names)
    scale, interval = metres / length, ((metres - reach) / length, (metres + reach) / length)
    return ScaleEstimate("gps", scale, interval, measures, (*doubts, doubt), noise=GPS_NOISE)


def _estimate_of(
    by: str,
    names: list[str],
    source: Float[Tensor, "positions 3"],
    fit: RobustSimilarity,
    noise: float,
    freedom: int,
) -> ScaleEstimate:
    """The fit's scale; its variance is noise^2 over the sum of squared distances from the mean."""
    agreeing = source[fit.inliers] if fit.inliers.any() else source
    pivot = agreeing.mean(0)
    moment = float((agreeing - pivot).square().sum())
    scale = fit.target_from_source.scale
    reach = student_quantile(max(freedom, 1)) * noise / math.sqrt(moment) if moment > 0 else 0.0
    outliers = [name for name, good in zip(names, fit.inliers.tolist(), strict=True) if not good]
    exclusion = f"{by}: left out, because the others contradict them: {', '.join(outliers)}"
    measures = tuple(
        Measure(name, distance, agrees)
        for name, distance, agrees in zip(
            names, fit.distances.tolist(), fit.inliers.tolist(), strict=True
        )
    )
    x, y, z = pivot.tolist()
    return ScaleEstimate(
        by=by,
        metres_per_unit=scale,
        interval=(scale - reach, scale + reach),
        measures=measures,
        doubts=(exclusion,) if outliers else (),
        frame=fit.target_from_source,
        pivot=(x, y, z),
        noise=noise,
    )


def _doubts_of_gps(spread: float, noise: float) -> list[str]:
    doubts = []
    if spread < GPS_NOISE:
        doubts.append(
            f"gps: the positions spread over {spread:.2g} m, less than receivers are usually off "
            f"by ({GPS_NOISE:g} m)"
        )
    elif spread < 3 * noise:
        doubts.append(
            f"gps: the positions spread over {spread:.2g} m and are off by {noise:.2g} m each"
        )
    return doubts


def _roll_error_deg(
    source: Float[Tensor, "positions 3"], fit: RobustSimilarity, noise: float
) -> float:
    """Error of the rotation about the longest axis: noise over what lies off that axis."""
    agreeing = source[fit.inliers]
    off_axis = float(principal_spread(agreeing)[1]) * fit.target_from_source.scale
    floor = 1e-4 * float(principal_spread(agreeing)[0]) * fit.target_from_source.scale
    arm = off_axis * math.sqrt(len(agreeing))
    # What exact positions cannot tell either: an offset that is rounding, not geometry.
    return math.inf if off_axis <= floor else math.degrees(noise / arm)
