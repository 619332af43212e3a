"""A COLMAP model: ``sparse/0/{cameras,images,points3D}.bin``, and the photos beside it.

One PINHOLE camera a photo, with the intrinsics of the original, upright photo; image names are file
names in ``images/``. COLMAP's quaternions are stored w x y z, its pixels have their origin at the
top-left pixel's corner as ours do. Source: https://colmap.github.io/format.html; the files
``rigs.bin`` and ``frames.bin`` of COLMAP 3.12 and later are left out: readers then make a rig and a
frame a camera themselves, and earlier ones know no others.
"""

import struct
from pathlib import Path

import numpy as np
import roma
import torch

from glance3d.exporters.options import ExportOptions, Written
from glance3d.exporters.photos import write_photos_beside
from glance3d.exporters.sparse_points import SparsePoints, select_sparse_points
from glance3d.files import atomic_folder
from glance3d.images.file_names import photo_file_names
from glance3d.types import Reconstruction

DEFAULT_MAX_POINTS = 100_000
_PINHOLE = 1
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


def write_colmap(scene: Reconstruction, path: Path, options: ExportOptions) -> Written:
    """Write the model into the project folder ``path`` (or its ``sparse`` or ``sparse/0``).

    A scene without points gives a model without points: known cameras, for COLMAP to triangulate.
    """
    folder = model_folder(path)
    points = select_sparse_points(
        scene, options.percentile, options.max_points or DEFAULT_MAX_POINTS, options.depth_agreement
    )
    with atomic_folder(folder) as temporary:
        files = {
            "cameras.bin": _cameras(scene),
            "images.bin": _images(scene, points),
            "points3D.bin": _points_3d(points),
        }
        for name, content in files.items():
            (temporary / name).write_bytes(content)
    written = Written(tuple(folder / name for name in files), _single_view_warning(points))
    return (
        written + write_photos_beside(scene, folder.parent.parent)
        if options.companions
        else written
    )


def _single_view_warning(points: SparsePoints) -> tuple[str, ...]:
    num_single = int((points.num_observations_of_each() == 1).sum())
    if num_single == 0 or len(points.cameras) == 1:
        return ()
    return (
        "few points are seen by two views, because the views' depths do not agree: the COLMAP "
        f"model holds {num_single} points seen by one, with which it cannot be bundle-adjusted",
    )


def model_folder(path: Path) -> Path:
    """Where the .bin files go: ``path`` may be the project, its ``sparse``, or the model itself."""
    if path.name.isdecimal() and path.parent.name == "sparse":
        return path
    return path / "0" if path.name == "sparse" else path / "sparse" / "0"


def _cameras(scene: Reconstruction) -> bytes:
    records = [struct.pack("<Q", scene.num_views)]
    for camera_id, (placement, matrix) in enumerate(
        zip(scene.placements, scene.cameras.intrinsics.double(), strict=True), start=1
    ):
        focal_and_center = matrix[[0, 1, 0, 1], [0, 1, 2, 2]].tolist()
        records.append(struct.pack("<IiQQ", camera_id, _PINHOLE, *placement.original_size))
        records.append(struct.pack("<4d", *focal_and_center))
    return b"".join(records)


def _images(scene: Reconstruction, points: SparsePoints) -> bytes:
    cam_from_world = scene.cameras.cam_from_world.double()
    quat_xyzw = roma.rotmat_to_unitquat(cam_from_world[:, :, :3])
    point_2d = np.empty(points.num_observations, _POINT_2D)
    point_2d["x"], point_2d["y"] = points.pixels_original.numpy().T
    point_2d["point_id"] = points.point_indices.numpy() + 1
    ends = np.cumsum(np.bincount(points.view_indices.numpy(), minlength=scene.num_views))
    records = [struct.pack("<Q", scene.num_views)]
    for image_id, (name, (x, y, z, w), pose, own) in enumerate(
        zip(
            photo_file_names(scene),
            quat_xyzw.tolist(),
            cam_from_world,
            np.split(point_2d, ends[:-1]),  # observations are sorted by view
            strict=True,
        ),
        start=1,
    ):
        records.append(struct.pack("<I7dI", image_id, w, x, y, z, *pose[:, 3].tolist(), image_id))
        records.append(name.encode() + b"\0" + struct.pack("<Q", len(own)) + own.tobytes())
    return b"".join(records)


def _points_3d(points: SparsePoints) -> bytes:
    """Records of unequal length, laid into one buffer: a loop over 100 000 points would be slow."""
    num_points = len(points.points_world)
    point_2d_index = points.index_in_view().numpy()
    order = torch.argsort(points.point_indices, stable=True).numpy()
    lengths = np.bincount(points.point_indices.numpy(), minlength=num_points)

    heads = np.empty(num_points, _POINT_3D)
    heads["point_id"] = np.arange(num_points) + 1
    heads["position"], heads["color"] = points.points_world.numpy(), points.colors.numpy()
    heads["error"], heads["track_length"] = points.errors().numpy(), lengths
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
