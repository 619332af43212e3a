"""From a COLMAP reconstruction back to a scene: all views' cameras and the measured points."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.cameras import camera_centers, project_points
from glance3d.geometry.filter import usable_depth
from glance3d.geometry.robust_similarity import estimate_robust_pose_similarity
from glance3d.geometry.similarity import Similarity
from glance3d.images import Originals
from glance3d.multiview.epipolar_errors import pixel_unit, view_epipolar_errors
from glance3d.refinement.mapping.attempts import Registration
from glance3d.refinement.matching.camera_models import intrinsics_of
from glance3d.refinement.pycolmap_interface import pose_from_rigid
from glance3d.types import Cameras, Reconstruction, SparsePoints

# The guess stays where it explains a photo's matches clearly better than the refined pose.
_CLEARLY_BETTER = 0.8
_MIN_SHARED = 8


@dataclass(frozen=True)
class RefinedCameras:
    """All views' cameras in one world, whose pose is measured, and the points that measure it.

    ``registered_by`` as in ``ViewTrust``. ``errors_before`` and ``errors_after`` are each view's
    median distance from its epipolar lines, in original pixels.
    """

    cameras: Cameras
    sparse: SparsePoints
    registered_by: tuple[str, ...]
    errors_before: tuple[float, ...]
    errors_after: tuple[float, ...]


def assemble(
    scene: Reconstruction, registration: Registration, originals: Originals
) -> RefinedCameras:
    """Measured poses where there are, the others' guesses moved among them."""
    refined = registration.reconstruction
    graph, image_ids = registration.shop.graph, registration.shop.image_ids
    found = {
        view: pose_from_rigid(refined.image(image_id).cam_from_world())
        for view, image_id in enumerate(image_ids)
        if refined is not None
        and refined.exists_image(image_id)
        and refined.image(image_id).has_pose
    }
    measured = found | registration.given
    cameras = _merged(scene, registration, measured)
    before = view_epipolar_errors(graph, scene.cameras)
    after = view_epipolar_errors(graph, cameras)
    pixel = pixel_unit(cameras)  # below it, one is as good as the other
    worse = {v for v in found if before[v] < _CLEARLY_BETTER * after[v] and after[v] > pixel}
    worse -= set(registration.given)
    if worse:
        measured = {view: pose for view, pose in measured.items() if view not in worse}
        cameras = _merged(scene, registration, measured)
        after = view_epipolar_errors(graph, cameras)
    sparse = _sparse_points(refined, image_ids, set(found) - worse, originals)
    names = tuple(_registered_by(v, measured, registration) for v in range(scene.num_views))
    return RefinedCameras(cameras, sparse, names, tuple(before), tuple(after))


def _registered_by(view: int, measured: dict[int, Tensor], registration: Registration) -> str:
    if view in registration.given:
        return "known"
    if view in measured:
        return "bundle adjustment"
    return "similarity" if measured else "network"


def _merged(
    scene: Reconstruction, registration: Registration, measured: dict[int, Tensor]
) -> Cameras:
    """Cameras in the measured world; float64."""
    guessed = scene.cameras.cam_from_world.double()
    poses = guessed.clone()
    if measured:
        poses = _moved_guess(guessed, measured).transform_cameras(guessed)
    for view, pose in measured.items():
        poses[view] = pose
    intrinsics = scene.cameras.intrinsics.double().clone()
    radial = torch.zeros(scene.num_views, dtype=torch.float64)
    adjusted = _adjusted_cameras(registration, measured)
    for view, camera_index in enumerate(registration.camera_of_view):
        if camera_index in adjusted:
            intrinsics[view], radial[view] = adjusted[camera_index]
    known = registration.shop.known
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


def _adjusted_cameras(
    registration: Registration, measured: dict[int, Tensor]
) -> dict[int, tuple[Tensor, float]]:
    """Intrinsics and k1 of every physical camera that at least one measured view has."""
    refined, found = registration.reconstruction, {}
    for view in measured:
        image_id = registration.shop.image_ids[view]
        if refined is None or not refined.exists_image(image_id):
            continue
        image = refined.image(image_id)
        found[registration.camera_of_view[view]] = intrinsics_of(refined.camera(image.camera_id))
    return found


def _moved_guess(
    guessed: Float[Tensor, "views 3 4"], measured: dict[int, Float[Tensor, "3 4"]]
) -> Similarity:
    """``measured_from_guessed`` world; where the poses hardly agree, at least the same extent."""
    views = sorted(measured)
    target = torch.stack([measured[view] for view in views])
    fit = estimate_robust_pose_similarity(guessed[views], target)
    if int(fit.inliers.sum()) * 2 > len(views):
        return fit.target_from_source
    source_centers, target_centers = camera_centers(guessed[views]), camera_centers(target)
    extent = [float((c - c.mean(0)).norm()) for c in (source_centers, target_centers)]
    scale = extent[1] / extent[0] if min(extent) > 0 else 1.0
    rotation = fit.target_from_source.rotation
    shift = target_centers.mean(0) - scale * (rotation @ source_centers.mean(0))
    return Similarity(scale, rotation, shift)


def _sparse_points(
    refined: Any, image_ids: Sequence[int], views: set[int], originals: Originals
) -> SparsePoints:
    """The points that at least two of these views see, with every observation of theirs."""
    view_of = {image_ids[view]: view for view in views}
    positions, observations = [], []
    for point_id in sorted(refined.point3D_ids()) if refined is not None else ():
        point = refined.point3D(point_id)
        seen = [
            (view_of[element.image_id], element.point2D_idx)
            for element in point.track.elements
            if element.image_id in view_of
        ]
        if len({view for view, _ in seen}) < 2:
            continue
        observations += [(view, len(positions), index) for view, index in seen]
        positions.append(point.xyz)
    table = np.array(sorted(set(observations)), dtype=np.int64).reshape(-1, 3)
    pixels = np.zeros((len(table), 2))
    for view in sorted(views):
        own = table[:, 0] == view
        points_2d = refined.image(image_ids[view]).points2D
        pixels[own] = np.array([points_2d[index].xy for index in table[own, 2]]).reshape(-1, 2)
    pixels_original = torch.from_numpy(pixels)
    view_indices, point_indices = torch.from_numpy(table[:, 0]), torch.from_numpy(table[:, 1])
    return SparsePoints(
        torch.from_numpy(np.array(positions).reshape(-1, 3)),
        _colors(len(positions), view_indices, point_indices, pixels_original, originals),
        view_indices,
        point_indices,
        pixels_original,
    )


def _colors(
    num_points: int,
    views: Tensor,
    points: Tensor,
    pixels: Float[Tensor, "observations 2"],
    originals: Originals,
) -> Tensor:
    """Each point's mean colour over its observations."""
    total = torch.zeros(num_points, 3, dtype=torch.float64)
    for view in views.unique().tolist():
        photo = torch.from_numpy(np.array(originals[view]))
        own = views == view
        x, y = pixels[own].long().unbind(-1)
        seen = photo[y.clamp(0, photo.shape[0] - 1), x.clamp(0, photo.shape[1] - 1)]
        total.index_add_(0, points[own], seen.double())
    counts = torch.bincount(points, minlength=num_points).clamp_min(1)
    return (total / counts[:, None]).round().clamp(0, 255).to(torch.uint8)


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
        at = placement.to_processed(refined.sparse.pixels_original[own]).long()
        x, y = at[:, 0].clamp(0, width - 1), at[:, 1].clamp(0, height - 1)
        guessed = scene.depth[view, y, x].double()
        good = usable_depth(guessed) & usable_depth(measured) & scene.mask[view, y, x]
        ratios.append(guessed[good] / measured[good])
    joined = torch.cat(ratios)
    return float(joined.median()) if len(joined) >= _MIN_SHARED else None


def to_scene(scene: Reconstruction, refined: RefinedCameras) -> Reconstruction:
    """The scene with these cameras and points; its depth is left as it is, to be aligned."""
    cameras = refined.cameras
    single = replace(
        cameras,
        cam_from_world=cameras.cam_from_world.float(),
        intrinsics=cameras.intrinsics.float(),
        radial=None if cameras.radial is None else cameras.radial.float(),
    )
    sparse = replace(
        refined.sparse,
        points_world=refined.sparse.points_world.float(),
        pixels_original=refined.sparse.pixels_original.float(),
    )
    return replace(scene, cameras=single, sparse=sparse)


def moved(refined: RefinedCameras, new_from_world: Similarity) -> RefinedCameras:
    """The same cameras and points in another world, in float64."""
    poses = new_from_world.transform_cameras(refined.cameras.cam_from_world)
    points = new_from_world.transform_points(refined.sparse.points_world)
    return replace(
        refined,
        cameras=replace(refined.cameras, cam_from_world=poses),
        sparse=replace(refined.sparse, points_world=points),
    )
