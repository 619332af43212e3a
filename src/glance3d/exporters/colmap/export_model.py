"""A COLMAP model: ``sparse/0/{cameras,images,points3D}.bin``, and the photos beside it.

Cameras have the intrinsics of the original, upright photos; image names are file names in
``images/``. The files themselves are :mod:`glance3d.formats.colmap`'s.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from glance3d.exporters.colmap.cameras import colmap_cameras, has_notable_distortion
from glance3d.exporters.maps.masks import write_masks_beside
from glance3d.exporters.options import ExportOptions, WriteResult
from glance3d.exporters.photos import write_photos_beside
from glance3d.exporters.points.sparse_points import observation_errors, select_sparse_points
from glance3d.formats.colmap.binary import write_binary_model
from glance3d.formats.colmap.model import folder_to_write
from glance3d.formats.colmap.records import (
    ColmapImage,
    ColmapModel,
    ColmapPoints2D,
    ColmapPoints3D,
)
from glance3d.geometry.rotations import quat_xyzw_from_rotation
from glance3d.images.naming.file_names import photo_file_names
from glance3d.types import Reconstruction, SparsePoints

DEFAULT_MAX_POINTS = 100_000


def write_colmap(scene: Reconstruction, path: Path, options: ExportOptions) -> WriteResult:
    """Write the model into the project folder ``path`` (or its ``sparse`` or ``sparse/0``).

    A scene without points gives a model without points: known cameras, for COLMAP to triangulate.
    """
    folder = folder_to_write(path)
    points = select_sparse_points(
        scene, options.percentile, options.max_points or DEFAULT_MAX_POINTS, options.depth_agreement
    )
    files = write_binary_model(folder, colmap_model(scene, points))
    warnings = _single_view_warning(scene, points) + _distortion_warning(scene)
    written = WriteResult(tuple(files), warnings)
    if not options.companions:
        return written
    root = folder.parent.parent
    return written + write_photos_beside(scene, root, options) + write_masks_beside(scene, root)


def colmap_model(scene: Reconstruction, points: SparsePoints) -> ColmapModel:
    """The scene's cameras and these points as COLMAP's records; ids count from 1."""
    cameras, camera_ids = colmap_cameras(scene)
    return ColmapModel(cameras, _images(scene, points, camera_ids), _points_3d(scene, points))


def _single_view_warning(scene: Reconstruction, points: SparsePoints) -> tuple[str, ...]:
    num_single = int((points.num_observations_of_each() == 1).sum())
    if num_single == 0 or scene.num_views == 1:
        return ()
    return (
        "few points are seen by two views, because the views' depths do not agree: the COLMAP "
        f"model holds {num_single} points seen by one, with which it cannot be bundle-adjusted",
    )


def _distortion_warning(scene: Reconstruction) -> tuple[str, ...]:
    if not has_notable_distortion(scene.cameras):
        return ()
    return (
        "the photos have lens distortion, and so have the COLMAP cameras: for tools that take "
        "pinhole cameras alone, run 'colmap image_undistorter' on the model first",
    )


def _images(
    scene: Reconstruction, points: SparsePoints, camera_ids: list[int]
) -> dict[int, ColmapImage]:
    cam_from_world = scene.cameras.cam_from_world.double()
    quat_xyzw = quat_xyzw_from_rotation(cam_from_world[:, :, :3])
    ends = np.cumsum(np.bincount(points.view_indices.numpy(), minlength=scene.num_views))
    # Observations are sorted by view.
    xy = np.split(points.pixels_original.numpy(), ends[:-1])
    point3d_ids = np.split(points.point_indices.numpy() + 1, ends[:-1])
    images, names = {}, photo_file_names(scene)
    for view, (x, y, z, w) in enumerate(quat_xyzw.tolist()):
        images[view + 1] = ColmapImage(
            view + 1,
            names[view],
            camera_ids[view],
            (w, x, y, z),
            tuple(cam_from_world[view, :, 3].tolist()),
            ColmapPoints2D(xy[view], point3d_ids[view]),
        )
    return images


def _points_3d(scene: Reconstruction, points: SparsePoints) -> ColmapPoints3D:
    num_points = len(points.points_world)
    lengths = np.bincount(points.point_indices.numpy(), minlength=num_points)
    errors = observation_errors(points, scene.cameras).numpy()
    summed = np.bincount(points.point_indices.numpy(), errors, num_points)
    by_point = torch.argsort(points.point_indices, stable=True).numpy()
    return ColmapPoints3D(
        ids=np.arange(num_points) + 1,
        xyz=points.points_world.numpy(),
        colors=points.colors.numpy(),
        errors=summed / np.maximum(lengths, 1),
        track_lengths=lengths,
        image_ids=points.view_indices.numpy()[by_point] + 1,
        point2d_indices=_index_in_view(points).numpy()[by_point],
    )


def _index_in_view(points: SparsePoints) -> Int[Tensor, " observations"]:
    """Each observation's place in its own view's list; they are sorted by view."""
    starts = torch.searchsorted(points.view_indices, points.view_indices)
    return torch.arange(points.num_observations) - starts
