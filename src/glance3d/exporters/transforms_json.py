"""``transforms.json``: what nerfstudio (and instant-ngp's family) train from.

Cameras are ``transform_matrix``: 4x4 camera-to-world with OpenGL camera axes (x right, y up, z
backward). The world is left as it is, the same as that of ``points.ply``: nothing was applied to
either, so there is no ``applied_transform`` and cameras and cloud agree by construction.
"""

from pathlib import Path
from typing import Any

import torch

from glance3d.exporters.depth_png import (
    DEPTH_FOLDER,
    depth_scale,
    has_depth_pngs,
    write_depth_pngs,
)
from glance3d.exporters.options import ExportOptions, Written
from glance3d.exporters.photos import photos_folder, write_photos_beside
from glance3d.exporters.ply import write_ply
from glance3d.exporters.point_cloud import has_points
from glance3d.files import save_json
from glance3d.geometry.transforms import invert
from glance3d.images.file_names import depth_file_names, photo_file_names
from glance3d.types import Reconstruction

PLY_NAME = "points.ply"


def write_transforms_json(scene: Reconstruction, path: Path, options: ExportOptions) -> Written:
    """Write ``path`` (a .json, or the folder for ``transforms.json``) and what it points to."""
    path = path if path.suffix.lower() == ".json" else path / "transforms.json"
    root, written = path.parent, Written(())
    if options.companions:
        written += write_photos_beside(scene, root)
        if has_points(scene):
            written += write_ply(scene, root / PLY_NAME, options)
        if scene.depth is not None:
            written += write_depth_pngs(scene, root / DEPTH_FOLDER, options)
    with_depth = has_depth_pngs(scene, root)
    frames = _frames(scene, root, with_depth)
    content: dict[str, Any] = {"camera_model": "PINHOLE", **_shared_by_all(frames)}
    if has_points(scene) and (root / PLY_NAME).is_file():
        content["ply_file_path"] = PLY_NAME
    if with_depth:
        content["depth_unit_scale_factor"] = depth_scale(scene)
    content["frames"] = frames
    return written + Written((save_json(path, content),))


def _frames(scene: Reconstruction, root: Path, with_depth: bool) -> list[dict[str, Any]]:
    folder = photos_folder(scene, root).name
    opengl_from_opencv = torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64)
    world_from_cam = invert(scene.cameras.cam_from_world.double()) * opengl_from_opencv
    frames = []
    for view, (name, depth_name) in enumerate(
        zip(photo_file_names(scene), depth_file_names(scene), strict=True)
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
        if with_depth:
            frame["depth_file_path"] = f"{DEPTH_FOLDER}/{depth_name}"
        frames.append(frame)
    return frames


def _shared_by_all(frames: list[dict[str, Any]]) -> dict[str, Any]:
    """The intrinsics, once more at the top, if every photo has the same: old readers look there."""
    keys = ("w", "h", "fl_x", "fl_y", "cx", "cy")
    first = frames[0]
    if any(frame[key] != first[key] for frame in frames for key in keys):
        return {}
    return {key: first[key] for key in keys}
