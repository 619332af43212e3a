"""Where the refined world lies: in the frame of known cameras, or of the reference photo."""

from dataclasses import dataclass

import torch

from glance3d.geometry.cameras import camera_centers
from glance3d.geometry.robust_similarity import estimate_robust_pose_similarity
from glance3d.geometry.similarity import Similarity
from glance3d.known_cameras import KnownViews
from glance3d.refinement.assembly.assemble import RefinedCameras, depth_scale, moved
from glance3d.types import Reconstruction


@dataclass(frozen=True)
class World:
    """Whose frame it is, and its unit, as ``Reconstruction`` says them."""

    name: str
    units: str


def place_in_world(
    scene: Reconstruction, refined: RefinedCameras, known: KnownViews | None
) -> tuple[RefinedCameras, World]:
    """Known poses that were held decide; else the reference photo's frame at the old scale.

    A single known pose decides where the world's origin and axes are, but not its scale.
    """
    if known is not None and "known" in refined.registered_by:
        return refined, World(known.world, known.units)
    scale = depth_scale(scene, refined) or _extent_ratio(scene, refined)
    reference = refined.cameras.cam_from_world[scene.reference_view]
    placed = moved(
        refined, Similarity(scale, reference[:, :3].clone(), scale * reference[:, 3].clone())
    )
    if known is None or not bool(known.has_pose.any()):
        return placed, World("reference camera", "arbitrary")
    return _in_known_world(placed, known)


def _in_known_world(refined: RefinedCameras, known: KnownViews) -> tuple[RefinedCameras, World]:
    has = known.has_pose
    poses = refined.cameras.cam_from_world[has]
    fit = estimate_robust_pose_similarity(poses, known.cam_from_world[has])
    alone = int(has.sum()) == 1
    if not alone and int(fit.inliers.sum()) < 2:
        return refined, World("reference camera", "arbitrary")  # the known poses contradict it
    units = "arbitrary" if alone else known.units
    return moved(refined, fit.target_from_source), World(known.world, units)


def _extent_ratio(scene: Reconstruction, refined: RefinedCameras) -> float:
    """Old over new extent of the camera positions; 1 where there is none."""
    extents = []
    for poses in (scene.cameras.cam_from_world, refined.cameras.cam_from_world):
        centers = camera_centers(poses.double())
        extents.append(float((centers - centers.mean(0)).norm()))
    old, new = extents
    return old / new if old > 0 and new > 0 and torch.tensor(old / new).isfinite() else 1.0
