"""``transforms.json`` of nerfstudio, instant-ngp, NeRF's synthetic scenes and tools like them.

Cameras are ``transform_matrix``: camera-to-world with OpenGL camera axes (x right, y up, z
backward). Intrinsics stand in each frame or at the top for all, as ``fl_x`` and the like, as a
matrix ``K``, or as ``camera_angle_x``, the horizontal field of view in radians. Source:
docs.nerf.studio, "Data conventions".
"""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import CamerasError
from glance3d.files.json_input import read_json_object
from glance3d.formats.camera_values import read_matrix, read_pose
from glance3d.formats.transforms_json.frame_intrinsics import read_frame_intrinsics
from glance3d.geometry.transforms import invert
from glance3d.known_cameras.cameras import KnownCamera, KnownCameras

_NAME_KEYS = ("file_path", "image_path", "file_name", "path")


def read_transforms_json(path: Path) -> KnownCameras:
    """The cameras of a ``transforms.json``. Raises ``CamerasError`` that says what is wrong."""
    record = read_json_object(path, error=CamerasError)
    frames = record.pop("frames", None)
    if not isinstance(frames, list) or not frames:
        raise CamerasError(f"{path} lists no frames; wanted one a photo")
    warnings: set[str] = set()
    cameras = tuple(
        _camera(record, frame, f"frame {number} of {path}", warnings)
        for number, frame in enumerate(frames)
    )
    return KnownCameras(
        source=str(path),
        format="transforms.json",
        cameras=cameras,
        world=path.name,
        warnings=tuple(sorted(f"{path}: {warning}" for warning in warnings)),
    )


def _camera(record: dict[str, Any], frame: Any, where: str, warnings: set[str]) -> KnownCamera:
    names = [frame.get(key) for key in _NAME_KEYS] if isinstance(frame, dict) else []
    name = next((name for name in names if isinstance(name, str)), None)
    if name is None:
        raise CamerasError(f"{where} names no file_path")
    intrinsics = read_frame_intrinsics(record, frame, where)
    warnings.update(intrinsics.warnings)
    return KnownCamera(
        name=name,
        cam_from_world=_pose(frame.get("transform_matrix"), where),
        intrinsics=intrinsics.matrix,
        radial=intrinsics.radial,
        size=intrinsics.size,
        field_of_view_x=intrinsics.field_of_view_x,
        field_of_view_y=intrinsics.field_of_view_y,
    )


def _pose(matrix: Any, where: str) -> Float[Tensor, "3 4"] | None:
    if matrix is None:
        return None
    what = f"transform_matrix of {where}"
    rows = matrix[:3] if isinstance(matrix, list) else matrix
    world_from_opengl = read_matrix(rows, 3, 4, what)
    # Some tools scale the axes with the world; the direction is what counts.
    lengths = world_from_opengl[:, :3].norm(dim=0)
    if not (lengths.min() > 0 and lengths.max() < torch.inf):
        raise CamerasError(f"{what} does not begin with a rotation")
    axes = world_from_opengl[:, :3] / lengths * torch.tensor([1.0, -1.0, -1.0])
    world_from_cam = torch.cat([axes, world_from_opengl[:, 3:]], -1)
    return invert(read_pose(world_from_cam.tolist(), what))
