"""Photos that only each other's points hold, put where the network's guesses are."""

from dataclasses import replace

import torch

from glance3d.geometry.robust_similarity import estimate_robust_pose_similarity
from glance3d.images import Originals
from glance3d.refinement.assembly.refined_cameras import RefinedCameras
from glance3d.refinement.assembly.sparse_points import join_points, read_sparse_points
from glance3d.refinement.assembly.world import depth_scale
from glance3d.refinement.mapping.components import Component
from glance3d.refinement.mapping.registration import Registration
from glance3d.refinement.matching.camera_models import intrinsics_of
from glance3d.refinement.pycolmap_interface import pose_from_rigid
from glance3d.types import Cameras, Reconstruction


def with_component(
    scene: Reconstruction,
    refined: RefinedCameras,
    registration: Registration,
    component: Component,
    originals: Originals,
) -> RefinedCameras:
    """The cameras with those of a component as its points hold them among themselves.

    Its rotation and place are those that fit the guessed poses best; its scale brings the network's
    depth of its photos and of the others into one unit, or fits the guessed poses too.
    """
    views = sorted(component.images)
    alone = _alone(refined, registration, component, originals)
    ratios = [depth_scale(scene, one) for one in (alone, refined)]
    # Depth over measured depth, of both: their quotient is main lengths over the component's.
    scale = ratios[0] / ratios[1] if ratios[0] and ratios[1] else None
    fit = estimate_robust_pose_similarity(
        alone.cameras.cam_from_world[views], refined.cameras.cam_from_world[views], scale=scale
    )
    moved = alone.moved(fit.target_from_source)
    poses = refined.cameras.cam_from_world.clone()
    poses[views] = moved.cameras.cam_from_world[views]
    by = list(refined.registered_by)
    for view in views:
        by[view] = "component"
    return replace(
        refined,
        cameras=replace(moved.cameras, cam_from_world=poses),
        sparse=join_points(refined.sparse, moved.sparse),
        registered_by=tuple(by),
    )


def _alone(
    refined: RefinedCameras,
    registration: Registration,
    component: Component,
    originals: Originals,
) -> RefinedCameras:
    """All cameras, the component's with its poses and intrinsics; its points alone."""
    cameras = refined.cameras
    poses, intrinsics = cameras.cam_from_world.clone(), cameras.intrinsics.clone()
    no_radial = torch.zeros(len(cameras), dtype=torch.float64)
    radial = no_radial if cameras.radial is None else cameras.radial.clone()
    for view, image in component.images.items():
        poses[view] = pose_from_rigid(image.cam_from_world())
        camera = component.reconstruction.camera(image.camera_id)
        intrinsics[view], radial[view] = intrinsics_of(camera)
    alone = Cameras(
        poses,
        intrinsics,
        cameras.image_sizes,
        radial if bool(radial.any()) else None,
        cameras.camera_ids,
    )
    ids, views = registration.photos.image_ids, component.images.keys()
    sparse = read_sparse_points(component.reconstruction, ids, views, originals)
    return replace(refined, cameras=alone, sparse=sparse)
