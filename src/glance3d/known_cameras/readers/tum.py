"""A TUM trajectory: lines of ``timestamp tx ty tz qx qy qz qw``, poses of the camera in the world.

Axes are OpenCV's; lengths are whatever the program that wrote it meant. Source: the file formats of
the TUM RGB-D benchmark (Sturm et al., IROS 2012).
"""

from collections.abc import Iterator
from pathlib import Path

import torch

from glance3d.errors import CamerasError
from glance3d.files.text_input import read_text
from glance3d.formats.camera_values import refuse_far
from glance3d.geometry.transforms import invert, rotation_from_quat_xyzw
from glance3d.known_cameras.cameras import KnownCamera, KnownCameras


def is_tum_trajectory(path: Path) -> bool:
    """Whether the first line that says anything is eight numbers."""
    if not path.is_file():
        return False
    try:
        line = next(_lines(path))[1]
        return len([float(word) for word in _words(line)]) == 8
    except (CamerasError, StopIteration, ValueError):
        return False


def read_tum_trajectory(path: Path) -> KnownCameras:
    """The poses of a trajectory. Raises ``CamerasError`` that names the line which is wrong."""
    cameras = tuple(_camera(line, f"line {number} of {path}") for number, line in _lines(path))
    return KnownCameras(str(path), "TUM trajectory", cameras, world=path.name)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that say anything, with their numbers from 1."""
    for number, line in enumerate(read_text(path, error=CamerasError).split("\n"), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def _camera(line: str, where: str) -> KnownCamera:
    try:
        values = torch.tensor([float(word) for word in _words(line)], dtype=torch.float64)
    except ValueError:
        values = torch.zeros(0)
    if (
        len(values) != 8
        or not values.isfinite().all()
        or not 1e-6 < float(values[4:].abs().max()) < 1e6
    ):
        raise CamerasError(
            f"{where} is {line.strip()[:60]!r}; wanted: timestamp tx ty tz qx qy qz qw"
        )
    refuse_far(values[1:4, None], where)
    rotation = rotation_from_quat_xyzw(values[4:] / values[4:].abs().max())
    world_from_cam = torch.cat([rotation, values[1:4, None]], -1)
    return KnownCamera(name=None, cam_from_world=invert(world_from_cam), time=float(values[0]))


def _words(line: str) -> list[str]:
    return line.replace(",", " ").split()
