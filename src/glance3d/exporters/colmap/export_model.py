"""A COLMAP model: ``sparse/0/{cameras,images,points3D}.bin``, and the photos beside it.

Cameras have the intrinsics of the original, upright photos; image names are file names in
``images/``. COLMAP's quaternions are stored w x y z, its pixels have their origin at the top-left
pixel's corner as ours do. Source: https://colmap.github.io/format.html; the files ``rigs.bin`` and
``frames.bin`` of COLMAP 3.12 and later are left out: readers then make a rig and a frame a camera
themselves, and earlier ones know no others.
"""

import struct
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
from glance3d.files.atomic import save_bytes
from glance3d.geometry.rotations import quat_xyzw_from_rotation
from glance3d.images.naming.file_names import photo_file_names
from glance3d.types import Reconstruction, SparsePoints

DEFAULT_MAX_POINTS = 100_000
WRITTEN_FILES = ("cameras.bin", "images.bin", "points3D.bin")
#: What readers look for in a model's folder: one of these beside ours would make another model.
MODEL_FILES = tuple(
    f"{part}.{suffix}"
    for part in ("cameras", "images", "points3D", "rigs", "frames")
    for suffix in ("bin", "txt")
)
_POINT_2D = np.dtype([("x", "<f8"), ("y", "<f8"), ("point_id", "<u8")])
_POINT_3D = np.dtype(
    [
        ("point_id", "<u8"),
        ("position", "<f8", 3),
        ("color", "u1", 3),
        ("error", "<f8"),
        ("track_length", "<u8"),
    ]
)
_TRACK_ELEMENT = np.dtype([("image_id", "<u4"), ("point_2d_index", "<u4")])


def write_colmap(scene: Reconstruction, path: Path, options: ExportOptions) -> WriteResult:
    """Write the model into the project folder ``path`` (or its ``sparse`` or ``sparse/0``).

    A scene without points gives a model without points: known cameras, for COLMAP to triangulate.
    """
    folder = model_folder(path)
    points = select_sparse_points(
        scene, options.percentile, options.max_points or DEFAULT_MAX_POINTS, options.depth_agreement
    )
    contents = _cameras(scene), _images(scene, points), _points_3d(scene, points)
    files = [
        save_bytes(folder / name, content)
        for name, content in zip(WRITTEN_FILES, contents, strict=True)
    ]
    warnings = _single_view_warning(scene, points) + _distortion_warning(scene)
    written = WriteResult(tuple(files), warnings)
    if not options.companions:
        return written
    root = folder.parent.parent
    return written + write_photos_beside(scene, root, options) + write_masks_beside(scene, root)


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


def model_folder(path: Path) -> Path:
    """Where the .bin files go: ``path`` may be the project, its ``sparse``, or the model itself."""
    if path.name.isdecimal() and path.parent.name == "sparse":
        return path
    return path / "0" if path.name == "sparse" else path / "sparse" / "0"


def _cameras(scene: Reconstruction) -> bytes:
    cameras, _ = colmap_cameras(scene)
    records = [camera.encoded(camera_id) for camera_id, camera in enumerate(cameras, start=1)]
    return struct.pack("<Q", len(cameras)) + b"".join(records)


def _images(scene: Reconstruction, points: SparsePoints) -> bytes:
    cam_from_world = scene.cameras.cam_from_world.double()
    quat_xyzw = quat_xyzw_from_rotation(cam_from_world[:, :, :3])
    point_2d = np.empty(points.num_observations, _POINT_2D)
    point_2d["x"], point_2d["y"] = points.pixels_original.numpy().T
    point_2d["point_id"] = points.point_indices.numpy() + 1
    ends = np.cumsum(np.bincount(points.view_indices.numpy(), minlength=scene.num_views))
    _, camera_indices = colmap_cameras(scene)
    records = [struct.pack("<Q", scene.num_views)]
    for image_id, (name, camera, (x, y, z, w), pose, own) in enumerate(
        zip(
            photo_file_names(scene),
            camera_indices,
            quat_xyzw.tolist(),
            cam_from_world,
            np.split(point_2d, ends[:-1]),  # observations are sorted by view
            strict=True,
        ),
        start=1,
    ):
        shift = pose[:, 3].tolist()
        records.append(struct.pack("<I7dI", image_id, w, x, y, z, *shift, camera + 1))
        records.append(name.encode() + b"\0" + struct.pack("<Q", len(own)) + own.tobytes())
    return b"".join(records)


def _points_3d(scene: Reconstruction, points: SparsePoints) -> bytes:
    """Records of unequal length, laid into one buffer: a loop over 100 000 points would be slow."""
    num_points = len(points.points_world)
    point_2d_index = _index_in_view(points).numpy()
    order = torch.argsort(points.point_indices, stable=True).numpy()
    lengths = np.bincount(points.point_indices.numpy(), minlength=num_points)

    heads = np.empty(num_points, _POINT_3D)
    heads["point_id"] = np.arange(num_points) + 1
    heads["position"], heads["color"] = points.points_world.numpy(), points.colors.numpy()
    errors = observation_errors(points, scene.cameras).numpy()
    summed = np.bincount(points.point_indices.numpy(), errors, num_points)
    heads["error"], heads["track_length"] = summed / np.maximum(lengths, 1), lengths
    elements = np.empty(len(order), _TRACK_ELEMENT)
    elements["image_id"] = points.view_indices.numpy()[order] + 1
    elements["point_2d_index"] = point_2d_index[order]

    head_size, element_size = _POINT_3D.itemsize, _TRACK_ELEMENT.itemsize
    starts = np.arange(num_points) * head_size + (np.cumsum(lengths) - lengths) * element_size
    buffer = np.empty(num_points * head_size + len(order) * element_size, np.uint8)
    is_head = np.zeros(len(buffer), bool)
    is_head[(starts[:, None] + np.arange(head_size)).reshape(-1)] = True
    buffer[is_head] = heads.view(np.uint8)
    buffer[~is_head] = elements.view(np.uint8)
    return struct.pack("<Q", num_points) + buffer.tobytes()


def _index_in_view(points: SparsePoints) -> Int[Tensor, " observations"]:
    """Each observation's place in its own view's list; they are sorted by view."""
    starts = torch.searchsorted(points.view_indices, points.view_indices)
    return torch.arange(points.num_observations) - starts
