"""From a COLMAP reconstruction back to all photos: the door of assembly."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.cameras import camera_centers
from glance3d.geometry.robust_similarity import estimate_robust_pose_similarity
from glance3d.geometry.similarity import Similarity
from glance3d.images import Originals
from glance3d.multiview.view_graph import view_epipolar_errors
from glance3d.refinement.assembly.placed_components import with_component
from glance3d.refinement.assembly.rectified_pair import with_rectified_pair
from glance3d.refinement.assembly.refined_cameras import RefinedCameras
from glance3d.refinement.assembly.sparse_points import read_sparse_points
from glance3d.refinement.assembly.world import place_in_world
from glance3d.refinement.mapping.registration import Registration
from glance3d.refinement.matching.camera_models import intrinsics_of
from glance3d.refinement.pycolmap_interface import poses_of
from glance3d.types import Cameras, Reconstruction

# The network's pose stays where its epipolar error is clearly smaller than the measured pose's.
_CLEARLY_BETTER = 0.8

Poses = Mapping[int, Float[Tensor, "3 4"]]


def assemble_cameras(
    scene: Reconstruction, registration: Registration, originals: Originals
) -> RefinedCameras:
    """Cameras of all photos in the world where they belong, with the points that measure them.

    Measured poses where there are, the others' guesses moved among them; a rectified pair as it was
    rectified.
    """
    refined = _merge_cameras(scene, registration, originals)
    refined = with_rectified_pair(scene, refined, registration, originals)
    return place_in_world(scene, refined, registration.photos.known)


def _merge_cameras(
    scene: Reconstruction, registration: Registration, originals: Originals
) -> RefinedCameras:
    """Measured cameras and moved guesses, in the world of the reconstruction.

    Components that nothing measured connects with it are put where the guesses are.
    """
    view_graph = registration.photos.view_graph
    adjusted = poses_of(registration.images)
    # Of a view with both, the given pose wins: it was held fixed, and differs by rounding at most.
    measured = adjusted | registration.held_poses
    cameras = _all_cameras(scene, registration, measured)
    errors_before = view_epipolar_errors(view_graph, scene.cameras)
    errors = view_epipolar_errors(view_graph, cameras)
    pixel = cameras.pixel_unit  # below it, one pose is as good as the other
    worse = {
        view
        for view in adjusted
        if errors_before[view] < _CLEARLY_BETTER * errors[view] and errors[view] > pixel
    }
    worse -= set(registration.held_poses)
    if worse:
        measured = {view: pose for view, pose in measured.items() if view not in worse}
        cameras = _all_cameras(scene, registration, measured)
    registered_by = tuple(
        _registered_by(view, measured, registration) for view in range(scene.num_views)
    )
    sparse = read_sparse_points(
        registration.reconstruction,
        registration.photos.image_ids,
        set(adjusted) - worse,
        originals,
    )
    refined = RefinedCameras(cameras, sparse, registered_by)
    for component in registration.components:
        refined = with_component(scene, refined, registration, component, originals)
    return refined


def _registered_by(view: int, measured: Poses, registration: Registration) -> str:
    if view in registration.held_poses:
        return "known"
    if view in measured:
        return "bundle adjustment"
    return "similarity" if measured else "network"


def _all_cameras(scene: Reconstruction, registration: Registration, measured: Poses) -> Cameras:
    """Cameras in the measured world; float64."""
    guessed = scene.cameras.cam_from_world.double()
    poses = guessed.clone()
    if measured:
        poses = _measured_from_guessed(guessed, measured).transform_cameras(guessed)
    for view, pose in measured.items():
        poses[view] = pose
    intrinsics = scene.cameras.intrinsics.double().clone()
    radial = torch.zeros(scene.num_views, dtype=torch.float64)
    adjusted = _adjusted_intrinsics(registration, measured)
    # A view without a pose of its own still gets the intrinsics of the camera that it shares.
    for view, camera_index in enumerate(registration.camera_of_view):
        if camera_index in adjusted:
            intrinsics[view], radial[view] = adjusted[camera_index]
    known = registration.photos.known
    if known is not None:
        has = known.has_intrinsics
        intrinsics[has], radial[has] = known.intrinsics[has], known.radial[has]
    return Cameras(
        poses,
        intrinsics,
        scene.cameras.image_sizes,
        radial if bool(radial.any()) else None,
        torch.tensor(registration.camera_of_view),
    )


def _adjusted_intrinsics(
    registration: Registration, measured: Poses
) -> dict[int, tuple[Float[Tensor, "3 3"], float]]:
    """Intrinsics and k1 of every camera that at least one measured view has, by its index."""
    reconstruction = registration.reconstruction
    if reconstruction is None:
        return {}
    image_ids = registration.photos.image_ids
    adjusted = {}
    for view in measured:
        if reconstruction.exists_image(image_ids[view]):
            image = reconstruction.image(image_ids[view])
            camera = reconstruction.camera(image.camera_id)
            adjusted[registration.camera_of_view[view]] = intrinsics_of(camera)
    return adjusted


def _measured_from_guessed(guessed: Float[Tensor, "views 3 4"], measured: Poses) -> Similarity:
    """The Sim(3) between the worlds; where the poses hardly agree, at least the same extent."""
    views = sorted(measured)
    target = torch.stack([measured[view] for view in views])
    fit = estimate_robust_pose_similarity(guessed[views], target)
    if int(fit.inliers.sum()) * 2 > len(views):
        return fit.target_from_source
    source_centers, target_centers = camera_centers(guessed[views]), camera_centers(target)
    # Spread about the mean centre: Frobenius norm of the centred positions.
    extent = [float((c - c.mean(0)).norm()) for c in (source_centers, target_centers)]
    scale = extent[1] / extent[0] if min(extent) > 0 else 1.0
    rotation = fit.target_from_source.rotation
    # The mean of the centres goes to the mean: t = mean(target) - s R mean(source).
    translation = target_centers.mean(0) - scale * (rotation @ source_centers.mean(0))
    return Similarity(scale, rotation, translation)
