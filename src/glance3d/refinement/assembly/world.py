"""Where the refined world lies: in the frame of known cameras, or of the reference photo."""

from dataclasses import replace

import torch

from glance3d.geometry.cameras import camera_centers, project_points
from glance3d.geometry.filter import usable_depth
from glance3d.geometry.robust_similarity import estimate_robust_pose_similarity
from glance3d.geometry.similarity import Similarity
from glance3d.known_cameras import KnownViews
from glance3d.refinement.assembly.refined_cameras import RefinedCameras
from glance3d.types import Reconstruction

# Observations with fewer depths say nothing of the scale.
_MIN_SHARED = 8


def place_in_world(
    scene: Reconstruction, refined: RefinedCameras, known: KnownViews | None
) -> RefinedCameras:
    """Known poses that were held decide; else the reference photo's frame at the old scale.

    A single known pose decides where the world's origin and axes are, but not its scale.
    """
    if known is not None and "known" in refined.registered_by:
        return replace(refined, world=known.world, units=known.units)
    scale = depth_scale(scene, refined) or _extent_ratio(scene, refined)
    # Of a pose [R | t]: x' = s (R x + t), so that the reference camera becomes [I | 0].
    reference = refined.cameras.cam_from_world[scene.reference_view]
    placed = refined.moved(
        Similarity(scale, reference[:, :3].clone(), scale * reference[:, 3].clone())
    )
    if known is None or not bool(known.has_pose.any()):
        return placed
    return _in_known_world(placed, known)


def depth_scale(scene: Reconstruction, refined: RefinedCameras) -> float | None:
    """What to multiply the measured world by, to give it the scale of the scene's depth.

    The median over all observations of the network's depth over the measured one; None without.
    """
    if scene.depth is None:
        return None
    ratios = []
    for view, placement in enumerate(scene.placements):
        own = refined.sparse.view_indices == view
        points = refined.sparse.points_world[refined.sparse.point_indices[own]]
        _, measured = project_points(
            points, refined.cameras.cam_from_world[view], refined.cameras.intrinsics[view]
        )
        width, height = placement.processed_size
        pixels = placement.to_processed(refined.sparse.pixels_original[own]).long()
        x, y = pixels[:, 0].clamp(0, width - 1), pixels[:, 1].clamp(0, height - 1)
        guessed = scene.depth[view, y, x].double()
        # Points behind the camera, masked pixels and missing depth tell nothing of the scale.
        usable = usable_depth(guessed) & usable_depth(measured) & scene.mask[view, y, x]
        ratios.append(guessed[usable] / measured[usable])
    joined = torch.cat(ratios)
    return float(joined.median()) if len(joined) >= _MIN_SHARED else None


def _extent_ratio(scene: Reconstruction, refined: RefinedCameras) -> float:
    """Old over new extent of the camera positions; 1 where there is none."""
    extents = []
    for poses in (scene.cameras.cam_from_world, refined.cameras.cam_from_world):
        centers = camera_centers(poses.double())
        extents.append(float((centers - centers.mean(0)).norm()))
    old, new = extents
    return old / new if old > 0 and new > 0 and torch.tensor(old / new).isfinite() else 1.0


def _in_known_world(refined: RefinedCameras, known: KnownViews) -> RefinedCameras:
    """Moved so that measured poses fit the known ones, of which none was held."""
    has = known.has_pose
    poses = refined.cameras.cam_from_world[has]
    fit = estimate_robust_pose_similarity(poses, known.cam_from_world[has])
    is_single = int(has.sum()) == 1
    if not is_single and int(fit.inliers.sum()) < 2:
        return refined  # the known poses contradict the refined ones
    moved = refined.moved(fit.target_from_source)
    return replace(moved, world=known.world, units="arbitrary" if is_single else known.units)
