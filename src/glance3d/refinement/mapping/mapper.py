"""Incremental mapping: one attempt to find the poses that the matches determine.

Views with poses to start from have their points triangulated from those very poses and adjusted in
rounds that tolerate less and less; the other photos are registered to these points (PnP). Without
such views the mapping starts from the best pair. pycolmap does the work (Schoenberger and Frahm,
"Structure-from-motion revisited", CVPR 2016); ours is what it starts from and what it must accept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from glance3d.refinement.mapping.bundle_adjustment import adjust_starting_views
from glance3d.refinement.matching.database import open_database
from glance3d.refinement.pycolmap_interface import import_pycolmap, rigid_from_pose

#: Points that a view must see to count as supported: a pose has six degrees of freedom, each point
#: gives two equations, so that this is four times what determines it.
MIN_OBSERVATIONS = 12


@dataclass(frozen=True)
class MapperThresholds:
    """What the mapping accepts; angles are between the rays of a point, in degrees.

    ``min_inliers_to_start`` matches the first pair must have, ``min_inliers_to_register`` a view
    that is added by PnP. ``two_view_points``: whether a point needs no third view.
    """

    min_inliers_to_start: int
    min_inliers_to_register: int
    min_angle_to_start: float
    min_angle_of_points: float
    two_view_points: bool


#: COLMAP's own defaults. The others accept less parallax first, and fewer inliers: what they find
#: is believed only if it explains more of the matches (see ``attempts``).
STRICT = MapperThresholds(100, 30, 16.0, 1.5, False)
NORMAL = MapperThresholds(60, 20, 6.0, 1.5, False)
RELAXED = MapperThresholds(30, 12, 3.0, 1.0, True)
LENIENT = MapperThresholds(15, 10, 0.7, 0.4, True)


@dataclass(frozen=True)
class StartingPoses:
    """Views with poses to start from; ``fixed`` ones must not move.

    ``angle_errors`` are the angles in degrees by which rays may miss each other, round by round:
    large first for poses that are a guess.
    """

    poses: dict[int, Float[Tensor, "3 4"]]
    fixed: bool
    angle_errors: tuple[float, ...]


def map_models(
    database: Path,
    folder: Path,
    image_ids: Sequence[int],
    thresholds: MapperThresholds,
    *,
    start: StartingPoses | None = None,
    constant_cameras: Sequence[int] = (),
    seed: int = 0,
    matches_by_points_only: bool = False,
) -> list[Any]:
    """COLMAP reconstructions, that which supports most views first; none where nothing held.

    Args:
        database: Views, features and verified matches.
        folder: A new folder for what the mapper writes.
        image_ids: The database's numbers of the views, in order.
        thresholds: What the mapper accepts.
        start: Views with poses to start from.
        constant_cameras: COLMAP ids of the cameras whose intrinsics are not adjusted.
        seed: Of RANSAC's samples.
        matches_by_points_only: Never add a photo by pairs alone, without points: where many
            matches are wrong that takes minutes.
    """
    pycolmap = import_pycolmap()
    pipeline = _pipeline_options(thresholds, constant_cameras, seed)
    if matches_by_points_only:
        pipeline.structure_less_registration_fallback = False
    folder.mkdir(parents=True)
    extra: dict[str, Any] = {}
    triangulated = None
    if start is not None:
        triangulated = _triangulate_start(database, folder, image_ids, start, pipeline)
        if triangulated is None:
            return []
        extra["input_path"] = folder / "seed"
        pipeline.fix_existing_frames = start.fixed
        pipeline.multiple_models = False
    pycolmap.set_random_seed(seed)
    models = pycolmap.incremental_mapping(
        database, folder, folder / "mapped", options=pipeline, **extra
    )
    if triangulated is not None and not models:
        return [triangulated]
    return sorted(models.values(), key=_support, reverse=True)


def num_supported(reconstruction: Any) -> int:
    """How many views have observations enough to hold them."""
    return sum(
        image.has_pose and image.num_points3D >= MIN_OBSERVATIONS
        for image in reconstruction.images.values()
    )


def _support(reconstruction: Any) -> tuple[int, int]:
    return num_supported(reconstruction), reconstruction.num_points3D()


def _pipeline_options(
    thresholds: MapperThresholds, constant_cameras: Sequence[int], seed: int
) -> Any:
    pipeline = import_pycolmap().IncrementalPipelineOptions()
    # Several threads draw from the seed in the order in which they come: no two runs are the same.
    pipeline.num_threads = pipeline.mapper.num_threads = 1
    pipeline.random_seed = pipeline.mapper.random_seed = seed
    pipeline.triangulation.random_seed = seed
    pipeline.min_model_size = 2  # a pair of photos is a scene, too
    pipeline.extract_colors = False
    pipeline.ba_refine_focal_length = pipeline.mapper.abs_pose_refine_focal_length = True
    pipeline.constant_cameras = set(constant_cameras)
    pipeline.mapper.init_min_num_inliers = thresholds.min_inliers_to_start
    pipeline.mapper.init_min_tri_angle = thresholds.min_angle_to_start
    pipeline.mapper.abs_pose_min_num_inliers = thresholds.min_inliers_to_register
    pipeline.mapper.filter_min_tri_angle = thresholds.min_angle_of_points
    pipeline.triangulation.min_angle = thresholds.min_angle_of_points
    pipeline.triangulation.ignore_two_view_tracks = not thresholds.two_view_points
    return pipeline


def _triangulate_start(
    database: Path, folder: Path, image_ids: Sequence[int], start: StartingPoses, pipeline: Any
) -> Any | None:
    """The starting views with their points, adjusted and written to ``folder / "seed"``.

    None where nothing could be triangulated, as of fewer than two views with matches. ``pipeline``
    comes back as it was.
    """
    pycolmap = import_pycolmap()
    reconstruction = _with_poses(database, image_ids, start)
    if reconstruction.num_reg_images() < 2:
        return None
    usual_angle = pipeline.triangulation.create_max_angle_error
    usual_error = pipeline.mapper.filter_max_reproj_error
    for angle_error in start.angle_errors:
        # How much looser than usual the round is.
        slack = max(1.0, angle_error / usual_angle)
        pipeline.triangulation.create_max_angle_error = angle_error
        pipeline.triangulation.continue_max_angle_error = angle_error
        # In pixels, and looser still: points of guessed poses miss by a lot at first.
        pipeline.mapper.filter_max_reproj_error = usual_error * slack**2
        pycolmap.set_random_seed(pipeline.random_seed)
        (folder / "seed").mkdir(exist_ok=True)
        reconstruction = pycolmap.triangulate_points(
            reconstruction, database, folder, folder / "seed", options=pipeline
        )
        if reconstruction.num_points3D() == 0:
            return None
        if not start.fixed:
            adjust_starting_views(reconstruction, usual_error * slack, pipeline.constant_cameras)
    pipeline.triangulation.create_max_angle_error = usual_angle
    pipeline.triangulation.continue_max_angle_error = usual_angle
    pipeline.mapper.filter_max_reproj_error = usual_error
    reconstruction.write(folder / "seed")
    return reconstruction


def _with_poses(database: Path, image_ids: Sequence[int], start: StartingPoses) -> Any:
    """A COLMAP reconstruction of the database's views, those to start from with their poses."""
    pycolmap = import_pycolmap()
    with open_database(database) as content:
        cache = pycolmap.DatabaseCache.create(content, pycolmap.DatabaseCacheOptions())
    reconstruction = pycolmap.Reconstruction()
    reconstruction.load(cache)
    for view, pose in start.poses.items():
        if not reconstruction.exists_image(image_ids[view]):
            continue  # it has no match with any other view
        frame = reconstruction.frame(reconstruction.image(image_ids[view]).frame_id)
        frame.rig_from_world = rigid_from_pose(pose)
        reconstruction.register_frame(frame.frame_id)
    return reconstruction
