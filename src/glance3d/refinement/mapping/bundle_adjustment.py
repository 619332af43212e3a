"""The last rounds: bundle adjustment and removal of outliers until both are at rest.

Source: Triggs et al., "Bundle adjustment - a modern synthesis", 2000; solved by pycolmap's Ceres.
"""

from collections.abc import Sequence
from typing import Any

from glance3d.refinement.pycolmap_interface import import_pycolmap

# Multiples of the final tolerance, round by round.
_ROUNDS = (2.0, 1.4, 1.0)
_MAX_ITERATIONS = 100


def adjust_until_converged(
    reconstruction: Any,
    *,
    max_error: float,
    min_angle: float,
    fixed_images: Sequence[int] = (),
    constant_cameras: Sequence[int] = (),
    refine_focal: bool = True,
) -> None:
    """Adjust poses, points and (where not constant) intrinsics; drop what misses, in rounds.

    ``max_error`` is in pixels, ``min_angle`` between a point's rays in degrees. The last
    adjustment has no robust loss, so that the result is at rest for any other bundle adjuster.
    """
    pycolmap = import_pycolmap()
    manager = pycolmap.ObservationManager(reconstruction)
    for factor in _ROUNDS:
        manager.filter_all_points3D(max_error * factor, min_angle)
        if reconstruction.num_points3D() == 0:
            return
        _adjust(reconstruction, max_error, fixed_images, constant_cameras, refine_focal, soft=True)
    manager.filter_all_points3D(max_error, min_angle)
    if reconstruction.num_points3D():
        _adjust(reconstruction, max_error, fixed_images, constant_cameras, refine_focal, soft=False)
        reconstruction.update_point_3d_errors()


def adjust_once(reconstruction: Any, max_error: float, *, fixed_images: Sequence[int] = ()) -> None:
    """One adjustment of poses, points and all focal lengths that wrong matches pull little."""
    _adjust(reconstruction, max_error, fixed_images, (), True, soft=True)


def _adjust(
    reconstruction: Any,
    max_error: float,
    fixed_images: Sequence[int],
    constant_cameras: Sequence[int],
    refine_focal: bool,
    *,
    soft: bool,
) -> None:
    pycolmap = import_pycolmap()
    options = pycolmap.BundleAdjustmentOptions()
    options.refine_focal_length = refine_focal
    options.print_summary = False
    options.ceres.solver_options.max_num_iterations = _MAX_ITERATIONS
    options.ceres.solver_options.num_threads = 1  # sums in one order: the same to the last bit
    options.ceres.solver_options.function_tolerance = 0.0 if not soft else 1e-6
    if soft:
        options.ceres.loss_function_type = pycolmap.LossFunctionType.SOFT_L1
        options.ceres.loss_function_scale = max_error / 4
    config = pycolmap.BundleAdjustmentConfig()
    for image_id in reconstruction.reg_image_ids():
        config.add_image(image_id)
    for camera_id in constant_cameras:
        config.set_constant_cam_intrinsics(camera_id)
    fixed = [i for i in fixed_images if reconstruction.image(i).has_pose]
    for image_id in fixed:
        config.set_constant_rig_from_world_pose(reconstruction.image(image_id).frame_id)
    if len(fixed) < 2:
        # One fixed pose still leaves the scale free; two cameras fix all seven degrees of freedom.
        config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    pycolmap.create_default_bundle_adjuster(options, config, reconstruction).solve()
