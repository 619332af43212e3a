"""Bundle adjustment: poses, points and intrinsics that together miss the pixels least.

Source: Triggs et al., "Bundle adjustment - a modern synthesis", 2000; solved by pycolmap's Ceres.
A robust loss rho makes wrong matches count little; its scale is a quarter of the tolerance, so that
inliers are within a few scales.
"""

from collections.abc import Collection, Sequence
from typing import Any

from glance3d.refinement.pycolmap_interface import import_pycolmap
from glance3d.refinement.tracks.observations import read_observations

# Multiples of the final tolerance, round by round.
_ROUNDS = (2.0, 1.4, 1.0)
_MAX_ITERATIONS = 100
_MAX_ITERATIONS_OF_START = 50
# Of a round: it stops when an iteration lowers the cost by less than this share.
_ROUND_TOLERANCE = 1e-6
_LOSS_SCALE = 1 / 4
# A tightened tolerance: in medians of all errors, its least share of the full one, and the share
# of every view's observations that must be within it.
_MEDIANS, _TIGHTEST, _KEPT_SHARE = 4.0, 1 / 3, 0.8


def adjust_until_converged(
    reconstruction: Any,
    *,
    max_error: float,
    min_angle: float,
    fixed_images: Sequence[int] = (),
    constant_cameras: Sequence[int] = (),
    refine_focal: bool = True,
    tighten: bool = False,
) -> None:
    """Adjust poses, points and (where not constant) intrinsics; drop what misses, in rounds.

    ``max_error`` is in pixels, ``min_angle`` between a point's rays in degrees. The last
    adjustment has no robust loss, so that the result is a minimum for any other bundle adjuster;
    if asked to ``tighten``, it is of observations that miss by little more than most do.
    """
    manager = import_pycolmap().ObservationManager(reconstruction)
    held = fixed_images, constant_cameras, refine_focal
    for factor in _ROUNDS:
        manager.filter_all_points3D(max_error * factor, min_angle)
        if reconstruction.num_points3D() == 0:
            return
        _adjust(reconstruction, max_error, *held, robust=True)
    tolerance = _tightened(reconstruction, max_error) if tighten else max_error
    manager.filter_all_points3D(tolerance, min_angle)
    if reconstruction.num_points3D():
        _adjust(reconstruction, max_error, *held, robust=False)
        reconstruction.update_point_3d_errors()


def _tightened(reconstruction: Any, max_error: float) -> float:
    """A few times what most observations miss by, and no less than what most of any view's do."""
    observations = read_observations(reconstruction)
    errors = observations.errors()
    if not len(errors):
        return max_error
    of_views = [errors[observations.views == view] for view in observations.views.unique().tolist()]
    kept = max(float(own.quantile(_KEPT_SHARE)) for own in of_views)
    tolerance = max(_MEDIANS * float(errors.median()), kept)
    return min(max(tolerance, max_error * _TIGHTEST), max_error)


def adjust_once(reconstruction: Any, max_error: float, *, fixed_images: Sequence[int] = ()) -> None:
    """One robust adjustment of poses, points and all focal lengths, known ones too."""
    _adjust(reconstruction, max_error, fixed_images, (), True, robust=True)


def adjust_starting_views(
    reconstruction: Any, max_error: float, constant_cameras: Collection[int]
) -> None:
    """One adjustment of views whose poses are a guess, under a loss that far outliers hardly move.

    Distortion stays as it is: a guess of poses would be made up for by it.
    """
    pycolmap = import_pycolmap()
    options = pycolmap.BundleAdjustmentOptions()
    options.refine_focal_length = True
    options.refine_extra_params = False
    options.print_summary = False
    options.ceres.loss_function_type = pycolmap.LossFunctionType.CAUCHY
    options.ceres.loss_function_scale = max_error * _LOSS_SCALE
    options.ceres.solver_options.max_num_iterations = _MAX_ITERATIONS_OF_START
    config = _config_of_registered(reconstruction, constant_cameras)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    pycolmap.create_default_bundle_adjuster(options, config, reconstruction).solve()


def _adjust(
    reconstruction: Any,
    max_error: float,
    fixed_images: Sequence[int],
    constant_cameras: Sequence[int],
    refine_focal: bool,
    *,
    robust: bool,
) -> None:
    pycolmap = import_pycolmap()
    options = pycolmap.BundleAdjustmentOptions()
    options.refine_focal_length = refine_focal
    options.print_summary = False
    options.ceres.solver_options.max_num_iterations = _MAX_ITERATIONS
    options.ceres.solver_options.num_threads = 1  # sums in one order: the same to the last bit
    options.ceres.solver_options.function_tolerance = _ROUND_TOLERANCE if robust else 0.0
    if robust:
        options.ceres.loss_function_type = pycolmap.LossFunctionType.SOFT_L1
        options.ceres.loss_function_scale = max_error * _LOSS_SCALE
    config = _config_of_registered(reconstruction, constant_cameras)
    fixed = [i for i in fixed_images if reconstruction.image(i).has_pose]
    for image_id in fixed:
        config.set_constant_rig_from_world_pose(reconstruction.image(image_id).frame_id)
    if len(fixed) < 2:
        # One fixed pose still leaves the scale free; two cameras fix all seven degrees of freedom
        # of the gauge: rotation, translation and scale.
        config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    pycolmap.create_default_bundle_adjuster(options, config, reconstruction).solve()


def _config_of_registered(reconstruction: Any, constant_cameras: Collection[int]) -> Any:
    """All views that have a pose, and the cameras whose intrinsics are not adjusted."""
    config = import_pycolmap().BundleAdjustmentConfig()
    for image_id in reconstruction.reg_image_ids():
        config.add_image(image_id)
    for camera_id in constant_cameras:
        config.set_constant_cam_intrinsics(camera_id)
    return config
