"""``transforms.json`` of nerfstudio, instant-ngp and NeRF's synthetic scenes.

Cameras are ``transform_matrix``: camera-to-world with OpenGL camera axes (x right, y up, z
backward). Intrinsics stand in each frame or at the top for all; ``camera_angle_x`` is the
horizontal field of view in radians. Source: docs.nerf.studio, "Data conventions".
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from glance3d.datasets.cameras_file import read_json_object, read_matrix, read_pose
from glance3d.errors import CamerasError
from glance3d.geometry.transforms import invert
from glance3d.known_cameras.cameras import KnownCamera, KnownCameras
from glance3d.known_cameras.lenses import DISTORTIONS, build_lens

_PINHOLES = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "PERSPECTIVE", "SIMPLE_RADIAL", "RADIAL")


def read_transforms_json(path: Path) -> KnownCameras:
    """The cameras of a ``transforms.json``. Raises ``CamerasError`` that says what is wrong."""
    record = read_json_object(path)
    frames = record.get("frames")
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


def _camera(record: Mapping[str, Any], frame: Any, where: str, warnings: set[str]) -> KnownCamera:
    if not isinstance(frame, dict) or not isinstance(frame.get("file_path"), str):
        raise CamerasError(f"{where} names no file_path")
    values = {**{key: value for key, value in record.items() if key != "frames"}, **frame}
    size = _size(values, where)
    intrinsics, radial, angle = None, 0.0, _number(values, "camera_angle_x", where)
    model = str(values.get("camera_model", "OPENCV")).upper()
    if model not in _PINHOLES or values.get("is_fisheye"):
        warnings.add(
            f"cameras of the model {model} are no pinholes: only their poses are used; undistort "
            "the photos to use their intrinsics"
        )
        angle = None
    elif values.get("fl_x") is not None and size is not None:
        focal_x = _number(values, "fl_x", where) or 0.0
        focal_y = _number(values, "fl_y", where) or focal_x
        center = [_number(values, key, where) for key in ("cx", "cy")]
        middle = tuple(
            half if value is None else value
            for value, half in zip(center, (size[0] / 2, size[1] / 2), strict=True)
        )
        if min(focal_x, focal_y) <= 0:
            raise CamerasError(f"{where} has a focal length of {focal_x}, {focal_y} pixels")
        bent = {key: _number(values, key, where) or 0.0 for key in DISTORTIONS}
        if bent["k4"]:  # nerfstudio's k4 belongs to fisheyes; a pinhole's file has it as 0
            raise CamerasError(f"{where} has k4, which no pinhole has: say its camera_model")
        lens = build_lens((focal_x, focal_y), (middle[0], middle[1]), size, bent)
        intrinsics, radial, angle = lens.intrinsics, lens.radial, None
        if lens.warning:
            warnings.add(lens.warning)
    return KnownCamera(
        name=frame["file_path"],
        cam_from_world=_pose(frame.get("transform_matrix"), where),
        intrinsics=intrinsics,
        radial=radial,
        size=size,
        field_of_view_x=angle,
    )


def _pose(matrix: Any, where: str) -> torch.Tensor | None:
    if matrix is None:
        return None
    what = f"transform_matrix of {where}"
    rows = matrix[:3] if isinstance(matrix, list) else matrix
    world_from_opengl = read_matrix(rows, 3, 4, what)
    # Some tools scale the axes with the world; the direction is what counts.
    lengths = world_from_opengl[:, :3].norm(dim=0)
    if not lengths.min() > 0:
        raise CamerasError(f"{what} does not begin with a rotation")
    axes = world_from_opengl[:, :3] / lengths * torch.tensor([1.0, -1.0, -1.0])
    world_from_cam = torch.cat([axes, world_from_opengl[:, 3:]], -1)
    return invert(read_pose(world_from_cam.tolist(), what))


def _size(values: Mapping[str, Any], where: str) -> tuple[int, int] | None:
    width, height = _number(values, "w", where), _number(values, "h", where)
    return None if not width or not height else (round(width), round(height))


def _number(values: Mapping[str, Any], key: str, where: str) -> float | None:
    value = values.get(key)
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not abs(number) < float("inf"):
        raise CamerasError(f"{where} has {key} = {value!r}; wanted a number")
    return number
