"""A ``transforms.json`` as a whole: frames with their poses and intrinsics, read and written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import CamerasError
from glance3d.files.atomic import save_json
from glance3d.files.json_input import read_json_object, read_number
from glance3d.formats.camera_values import read_matrix, read_pose
from glance3d.formats.transforms_json.frame_intrinsics import (
    FrameIntrinsics,
    read_frame_intrinsics,
)
from glance3d.geometry.transforms import invert

_NAME_KEYS = ("file_path", "image_path", "file_name", "path")
_INTRINSICS = ("w", "h", "fl_x", "fl_y", "cx", "cy", "k1", "k2", "p1", "p2")


@dataclass(frozen=True)
class TransformsFrame:
    """One photo: its path, its pose with OpenCV axes (float64; None is not stated), its lens."""

    file_path: str
    cam_from_world: Float[Tensor, "3 4"] | None
    intrinsics: FrameIntrinsics
    depth_file_path: str | None = None
    mask_path: str | None = None


@dataclass(frozen=True)
class TransformsFile:
    """A whole file.

    ``ply_file_path`` is the cloud that 3-D Gaussians start from; depth maps times
    ``depth_unit_scale_factor`` are in ``units``. The cloud, ``units`` and ``world`` are written and
    not read.
    """

    frames: tuple[TransformsFrame, ...]
    ply_file_path: str | None = None
    depth_unit_scale_factor: float | None = None
    units: str | None = None
    world: str | None = None


def read_transforms_file(path: Path) -> TransformsFile:
    """Read a ``transforms.json``. Raises ``CamerasError`` that says what is wrong."""
    record = read_json_object(path, error=CamerasError)
    frames = record.pop("frames", None)
    if not isinstance(frames, list) or not frames:
        raise CamerasError(f"{path} must list frames, one a photo, got none")
    return TransformsFile(
        tuple(
            _read_frame(record, frame, f"frame {number} of {path}")
            for number, frame in enumerate(frames)
        ),
        depth_unit_scale_factor=None
        if record.get("depth_unit_scale_factor") is None
        else read_number(
            record["depth_unit_scale_factor"],
            f"depth_unit_scale_factor of {path}",
            error=CamerasError,
            low=1e-9,
            high=1e9,
        ),
    )


def write_transforms_file(path: Path, file: TransformsFile) -> Path:
    """Write frames that all have a pose and intrinsics in pixels; return ``path``.

    The world is left as it is: there is no ``applied_transform``. Intrinsics stand once at the top
    where all photos have the same, else in every frame.
    """
    is_bent = any(frame.intrinsics.radial != 0 for frame in file.frames)
    shared, frames = _shared_by_all(_entries(file.frames, is_bent))
    content: dict[str, Any] = {"camera_model": "OPENCV" if is_bent else "PINHOLE", **shared}
    for key in ("ply_file_path", "depth_unit_scale_factor", "units", "world"):
        if getattr(file, key) is not None:
            content[key] = getattr(file, key)
    content["frames"] = frames
    return save_json(path, content)


def _read_frame(record: dict[str, Any], frame: Any, where: str) -> TransformsFrame:
    names = [frame.get(key) for key in _NAME_KEYS] if isinstance(frame, dict) else []
    name = next((name for name in names if isinstance(name, str)), None)
    if name is None:
        raise CamerasError(f"{where} names no file_path")
    intrinsics = read_frame_intrinsics(record, frame, where)
    pose = _read_pose(frame.get("transform_matrix"), where)
    depth, mask = (_text(frame.get(key)) for key in ("depth_file_path", "mask_path"))
    return TransformsFrame(name, pose, intrinsics, depth, mask)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _read_pose(matrix: Any, where: str) -> Float[Tensor, "3 4"] | None:
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


def _entries(frames: tuple[TransformsFrame, ...], is_bent: bool) -> list[dict[str, Any]]:
    poses = torch.stack([f.cam_from_world for f in frames if f.cam_from_world is not None])
    opengl_from_opencv = torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64)
    world_from_cam = invert(poses) * opengl_from_opencv
    entries = []
    for frame, pose in zip(frames, world_from_cam, strict=True):
        matrix, size = frame.intrinsics.matrix, frame.intrinsics.size
        assert matrix is not None
        assert size is not None
        entry: dict[str, Any] = {
            "file_path": frame.file_path,
            "w": size[0],
            "h": size[1],
            "fl_x": matrix[0, 0].item(),
            "fl_y": matrix[1, 1].item(),
            "cx": matrix[0, 2].item(),
            "cy": matrix[1, 2].item(),
            "transform_matrix": [*pose.tolist(), [0.0, 0.0, 0.0, 1.0]],
        }
        if is_bent:
            entry |= {"k1": frame.intrinsics.radial, "k2": 0.0, "p1": 0.0, "p2": 0.0}
        if frame.depth_file_path is not None:
            entry["depth_file_path"] = frame.depth_file_path
        if frame.mask_path is not None:
            entry["mask_path"] = frame.mask_path
        entries.append(entry)
    return entries


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
