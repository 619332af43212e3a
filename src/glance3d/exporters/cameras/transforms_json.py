"""``transforms.json``: what nerfstudio (and instant-ngp's family) train from.

Cameras are ``transform_matrix``: 4x4 camera-to-world with OpenGL camera axes (x right, y up, z
backward). The world is left as it is, the same as that of ``points.ply``: nothing was applied to
either, so there is no ``applied_transform`` and cameras and cloud agree by construction. Intrinsics
stand once at the top where all photos have the same, else in every frame. ``ply_file_path`` is what
3-D Gaussians start from: the measured points, if there are enough, else the dense cloud.
"""

from pathlib import Path
from typing import Any

import torch

from glance3d.exporters.maps.depth_png import (
    DEPTH_FOLDER,
    depth_scale,
    has_depth_pngs,
    write_depth_pngs,
)
from glance3d.exporters.maps.masks import (
    MASKS_FOLDER,
    has_mask_files,
    mask_file_names,
    write_masks_beside,
)
from glance3d.exporters.options import ExportOptions, WriteResult
from glance3d.exporters.photos import photos_folder, write_photos_beside
from glance3d.exporters.points.ply import write_ply, write_points_ply
from glance3d.exporters.points.point_cloud import has_points
from glance3d.exporters.world_text import describe_world
from glance3d.files.atomic import save_json
from glance3d.geometry.transforms import invert
from glance3d.images.naming.file_names import depth_file_names, photo_file_names
from glance3d.types import Reconstruction

PLY_NAME, SPARSE_PLY_NAME = "points.ply", "sparse_points.ply"
# Fewer measured points than this leave most of a scene empty at the start.
_ENOUGH_TO_START = 100
_INTRINSICS = ("w", "h", "fl_x", "fl_y", "cx", "cy", "k1", "k2", "p1", "p2")


def write_transforms_json(scene: Reconstruction, path: Path, options: ExportOptions) -> WriteResult:
    """Write ``path`` (a .json, or the folder for ``transforms.json``) and what it points to."""
    path = transforms_file(path)
    root, written = path.parent, WriteResult(())
    if options.companions:
        written += write_photos_beside(scene, root, options)
        written += write_masks_beside(scene, root)
        if scene.depth is not None:
            written += write_depth_pngs(scene, root / DEPTH_FOLDER, options)
    ply, of_ply = _write_start(scene, root, options)
    written += of_ply
    with_depth = has_depth_pngs(scene, root, options)
    shared, frames = _shared_by_all(_frames(scene, root, with_depth, options))
    content: dict[str, Any] = {"camera_model": "OPENCV" if _is_bent(scene) else "PINHOLE", **shared}
    if ply is not None:
        content["ply_file_path"] = ply
    if with_depth:
        content["depth_unit_scale_factor"] = depth_scale(scene)
    content["units"] = scene.units
    content["world"] = describe_world(scene.world, photo_file_names(scene)[scene.reference_view])
    content["frames"] = frames
    return written + WriteResult((save_json(path, content),))


def transforms_file(path: Path) -> Path:
    """``path``, or the file in the folder of that name."""
    return path if path.suffix.lower() == ".json" else path / "transforms.json"


def _write_start(
    scene: Reconstruction, root: Path, options: ExportOptions
) -> tuple[str | None, WriteResult]:
    """The name of the cloud to start from, None without one, and what was written of it."""
    if scene.sparse is not None and len(scene.sparse) >= _ENOUGH_TO_START:
        sparse, comment = scene.sparse, f"{len(scene.sparse)} measured points"
        path = root / SPARSE_PLY_NAME
        return path.name, write_points_ply(scene, path, sparse.points_world, sparse.colors, comment)
    path, written = root / PLY_NAME, WriteResult(())
    if not has_points(scene):
        return None, written
    if options.companions:
        written = write_ply(scene, path, options)
    return path.name if options.find(path).is_file() else None, written


def _frames(
    scene: Reconstruction, root: Path, with_depth: bool, options: ExportOptions
) -> list[dict[str, Any]]:
    folder = photos_folder(scene, options.final(root)).name
    opengl_from_opencv = torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64)
    world_from_cam = invert(scene.cameras.cam_from_world.double()) * opengl_from_opencv
    frames = []
    with_masks = has_mask_files(scene, root, options)
    for view, (name, depth_name, mask_name) in enumerate(
        zip(photo_file_names(scene), depth_file_names(scene), mask_file_names(scene), strict=True)
    ):
        intrinsics = scene.cameras.intrinsics[view].double()
        width, height = scene.placements[view].original_size
        frame: dict[str, Any] = {
            "file_path": f"{folder}/{name}",
            "w": width,
            "h": height,
            "fl_x": intrinsics[0, 0].item(),
            "fl_y": intrinsics[1, 1].item(),
            "cx": intrinsics[0, 2].item(),
            "cy": intrinsics[1, 2].item(),
            "transform_matrix": [*world_from_cam[view].tolist(), [0.0, 0.0, 0.0, 1.0]],
        }
        if _is_bent(scene) and scene.cameras.radial is not None:
            radial = scene.cameras.radial[view].double().item()
            frame |= {"k1": radial, "k2": 0.0, "p1": 0.0, "p2": 0.0}
        if with_depth:
            frame["depth_file_path"] = f"{DEPTH_FOLDER}/{depth_name}"
        if with_masks:
            frame["mask_path"] = f"{MASKS_FOLDER}/{mask_name}"
        frames.append(frame)
    return frames


def _is_bent(scene: Reconstruction) -> bool:
    return scene.cameras.radial is not None and bool((scene.cameras.radial != 0).any())


def _shared_by_all(
    frames: list[dict[str, Any]],
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The intrinsics, once, and the frames without them; nothing, if the photos' differ.

    nerfstudio heeds a frame's own size and focal length only where the top has none.
    """
    keys = [key for key in _INTRINSICS if key in frames[0]]
    shared = {key: frames[0][key] for key in keys}
    if any(frame[key] != shared[key] for frame in frames for key in keys):
        return {}, frames
    return shared, [
        {key: value for key, value in frame.items() if key not in shared} for frame in frames
    ]
