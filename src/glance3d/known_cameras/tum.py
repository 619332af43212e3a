"""A TUM trajectory: lines of ``timestamp tx ty tz qx qy qz qw``, poses of the camera in the world.

Axes are OpenCV's; lengths are whatever the program that wrote it meant. Source: the file formats of
the TUM RGB-D benchmark (Sturm et al., IROS 2012).
"""

from pathlib import Path

import torch

from glance3d.errors import CamerasError
from glance3d.geometry.transforms import invert, rotation_from_quat_xyzw
from glance3d.known_cameras.cameras import KnownCamera, KnownCameras


def is_tum_trajectory(path: Path) -> bool:
    """Whether the first line that says anything is eight numbers."""
    if not path.is_file():
        return False
    try:
        with path.open(encoding="utf-8") as file:
            for _, line in zip(range(1000), file, strict=False):
                if line.strip() and not line.startswith("#"):
                    return len([float(word) for word in _words(line)]) == 8
    except (OSError, ValueError):
        return False
    return False


def read_tum_trajectory(path: Path) -> KnownCameras:
    """The poses of a trajectory. Raises ``CamerasError`` that names the line which is wrong."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise CamerasError(f"{path} cannot be read as text: {error}") from error
    cameras = tuple(
        _camera(line, f"line {number} of {path}")
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.startswith("#")
    )
    return KnownCameras(str(path), "TUM trajectory", cameras, world=path.name)


def _camera(line: str, where: str) -> KnownCamera:
    try:
        values = torch.tensor([float(word) for word in _words(line)], dtype=torch.float64)
    except ValueError:
        values = torch.zeros(0)
    if len(values) != 8 or not values.isfinite().all() or float(values[4:].norm()) < 1e-6:
        raise CamerasError(
            f"{where} is {line.strip()[:60]!r}; wanted: timestamp tx ty tz qx qy qz qw"
        )
    rotation = rotation_from_quat_xyzw(values[4:])
    world_from_cam = torch.cat([rotation, values[1:4, None]], -1)
    return KnownCamera(name=None, cam_from_world=invert(world_from_cam), time=float(values[0]))


def _words(line: str) -> list[str]:
    return line.replace(",", " ").split()
