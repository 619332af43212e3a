"""Registration: all the poses that the matches can carry, by several attempts, the best kept.

Views whose poses are confirmed are the seed: their points are triangulated from those very poses
and adjusted in rounds that tolerate less and less; the other photos are registered against them.
Without a seed the mapping starts from the best pair. pycolmap does the work (Schoenberger and
Frahm, "Structure-from-motion revisited", CVPR 2016); what is ours is what it starts from, what it
is asked when it fails, and which answer is believed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from glance3d.refinement.options import RefineOptions
from glance3d.refinement.pycolmap_interface import import_pycolmap, rigid_from_pose

MIN_OBSERVATIONS = 12


@dataclass(frozen=True)
class MapperThresholds:
    """What an attempt accepts; angles in degrees."""

    min_inliers_to_start: int
    min_inliers_to_register: int
    min_angle_to_start: float
    min_angle_of_points: float
    two_view_points: bool


#: What the library itself asks for.
STRICT = MapperThresholds(100, 30, 16.0, 1.5, False)
NORMAL = MapperThresholds(60, 20, 6.0, 1.5, False)
RELAXED = MapperThresholds(30, 12, 3.0, 1.0, True)
LENIENT = MapperThresholds(15, 10, 0.7, 0.4, True)


@dataclass(frozen=True)
class Seed:
    """Views with poses to start from; ``fixed`` ones must not move.

    ``angle_errors`` are the angles in degrees by which rays may miss each other, round by round:
    large first for poses that are a guess.
    """

    poses: dict[int, Float[Tensor, "3 4"]]
    fixed: bool
    angle_errors: tuple[float, ...]


def map_views(
    database: Path,
    folder: Path,
    image_ids: Sequence[int],
    leniency: MapperThresholds,
    options: RefineOptions,
    *,
    seed: Seed | None = None,
    constant_cameras: Sequence[int] = (),
    refine_focal: bool = True,
) -> list[Any]:
    """COLMAP reconstructions, that of most views first; none where nothing held together."""
    pycolmap = import_pycolmap()
    pipeline = _pipeline_options(leniency, options, constant_cameras, refine_focal)
    folder.mkdir(parents=True)
    extra: dict[str, Any] = {}
    start = None
    if seed is not None:
        start = _triangulate_seed(database, folder, image_ids, seed, pipeline, options)
        if start is None:
            return []
        extra["input_path"] = folder / "seed"
        pipeline.fix_existing_frames = seed.fixed
        pipeline.multiple_models = False
    pycolmap.set_random_seed(options.seed)
    found = pycolmap.incremental_mapping(
        database, folder, folder / "mapped", options=pipeline, **extra
    )
    if start is not None and not found:
        found = {0: start}
    return sorted(found.values(), key=_hold, reverse=True)


def num_supported(reconstruction: Any) -> int:
    """How many views have observations enough to hold them."""
    return sum(
        image.has_pose and image.num_points3D >= MIN_OBSERVATIONS
        for image in reconstruction.images.values()
    )


def _pipeline_options(
    leniency: MapperThresholds,
    options: RefineOptions,
    constant_cameras: Sequence[int],
    refine_focal: bool,
) -> Any:
    pipeline = import_pycolmap().IncrementalPipelineOptions()
    pipeline.random_seed = options.seed
    # Several threads draw from the seed in the order in which they come: no two runs are the same.
    pipeline.num_threads = pipeline.mapper.num_threads = 1
    pipeline.min_model_size = 2
    pipeline.extract_colors = False
    pipeline.ba_refine_focal_length = refine_focal
    pipeline.constant_cameras = set(constant_cameras)
    pipeline.mapper.abs_pose_refine_focal_length = refine_focal
    pipeline.mapper.init_min_num_inliers = leniency.min_inliers_to_start
    pipeline.mapper.abs_pose_min_num_inliers = leniency.min_inliers_to_register
    pipeline.mapper.init_min_tri_angle = leniency.min_angle_to_start
    pipeline.mapper.filter_min_tri_angle = leniency.min_angle_of_points
    pipeline.mapper.random_seed = options.seed
    pipeline.triangulation.min_angle = leniency.min_angle_of_points
    pipeline.triangulation.ignore_two_view_tracks = not leniency.two_view_points
    pipeline.triangulation.random_seed = options.seed
    return pipeline


def _triangulate_seed(
    database: Path,
    folder: Path,
    image_ids: Sequence[int],
    seed: Seed,
    pipeline: Any,
    options: RefineOptions,
) -> Any | None:
    """The seed's views with their points, adjusted; None where nothing could be triangulated."""
    pycolmap = import_pycolmap()
    reconstruction = _posed(database, image_ids, seed)
    usual_angle = pipeline.triangulation.create_max_angle_error
    usual_error = pipeline.mapper.filter_max_reproj_error
    for angle_error in seed.angle_errors:
        slack = max(1.0, angle_error / usual_angle)
        pipeline.triangulation.create_max_angle_error = angle_error
        pipeline.triangulation.continue_max_angle_error = angle_error
        pipeline.mapper.filter_max_reproj_error = usual_error * slack**2
        pycolmap.set_random_seed(options.seed)
        (folder / "seed").mkdir(exist_ok=True)
        reconstruction = pycolmap.triangulate_points(
            reconstruction, database, folder, folder / "seed", options=pipeline
        )
        if reconstruction.num_points3D() == 0:
            return None
        if not seed.fixed:
            _adjust_softly(reconstruction, usual_error * slack, pipeline)
    pipeline.triangulation.create_max_angle_error = usual_angle
    pipeline.triangulation.continue_max_angle_error = usual_angle
    pipeline.mapper.filter_max_reproj_error = usual_error
    reconstruction.write(folder / "seed")
    return reconstruction


def _posed(database: Path, image_ids: Sequence[int], seed: Seed) -> Any:
    pycolmap = import_pycolmap()
    content = pycolmap.Database.open(database)
    try:
        cache = pycolmap.DatabaseCache.create(content, pycolmap.DatabaseCacheOptions())
    finally:
        content.close()
    reconstruction = pycolmap.Reconstruction()
    reconstruction.load(cache)
    for view, pose in seed.poses.items():
        if not reconstruction.exists_image(image_ids[view]):
            continue  # it shares nothing with anyone
        frame = reconstruction.frame(reconstruction.image(image_ids[view]).frame_id)
        frame.rig_from_world = rigid_from_pose(pose)
        reconstruction.register_frame(frame.frame_id)
    return reconstruction


def _adjust_softly(reconstruction: Any, error: float, pipeline: Any) -> None:
    """Bundle adjustment that wrong matches pull little."""
    pycolmap = import_pycolmap()
    adjustment = pycolmap.BundleAdjustmentOptions()
    adjustment.refine_focal_length = pipeline.ba_refine_focal_length
    adjustment.refine_extra_params = False
    adjustment.print_summary = False
    adjustment.ceres.loss_function_type = pycolmap.LossFunctionType.CAUCHY
    adjustment.ceres.loss_function_scale = error / 4
    adjustment.ceres.solver_options.max_num_iterations = 50
    config = pycolmap.BundleAdjustmentConfig()
    for image_id in reconstruction.reg_image_ids():
        config.add_image(image_id)
    for camera_id in pipeline.constant_cameras:
        config.set_constant_cam_intrinsics(camera_id)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    pycolmap.create_default_bundle_adjuster(adjustment, config, reconstruction).solve()


def _hold(reconstruction: Any) -> tuple[int, int]:
    return num_supported(reconstruction), reconstruction.num_points3D()
