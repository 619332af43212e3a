"""A TUM trajectory: lines of ``timestamp tx ty tz qx qy qz qw``, poses of the camera in the world.

Axes are OpenCV's; lengths are whatever the program that wrote it meant. Lines with ``#`` are
comments. Source: the file formats of the TUM RGB-D benchmark (Sturm et al., "A benchmark for the
evaluation of RGB-D SLAM systems", IROS 2012).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from glance3d.errors import CamerasError
from glance3d.files.atomic import save_bytes
from glance3d.files.text_input import read_text
from glance3d.formats.camera_values import refuse_far


@dataclass(frozen=True)
class TumPose:
    """One line: a time stamp in seconds, the camera's position and orientation in the world.

    The quaternion need not be of unit length.
    """

    time: float
    position: tuple[float, ...]
    quat_xyzw: tuple[float, ...]


def is_tum_trajectory(path: Path) -> bool:
    """Whether the first line that says anything is eight numbers."""
    if not path.is_file():
        return False
    try:
        line = next(_lines(path))[1]
        return len([float(word) for word in _words(line)]) == 8
    except (CamerasError, StopIteration, ValueError):
        return False


def read_tum_trajectory(path: Path) -> tuple[TumPose, ...]:
    """The poses of a trajectory. Raises ``CamerasError`` that names the line which is wrong."""
    return tuple(_read_pose(line, f"line {number} of {path}") for number, line in _lines(path))


def write_tum_trajectory(path: Path, poses: Sequence[TumPose], comments: Sequence[str]) -> Path:
    """Write one line a pose, after the comments; return ``path``."""
    lines = [f"# {comment}" for comment in comments]
    for pose in poses:
        numbers = " ".join(f"{value:.9f}" for value in (*pose.position, *pose.quat_xyzw))
        lines.append(f"{pose.time:.6f} {numbers}")
    return save_bytes(path, ("\n".join(lines) + "\n").encode())


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that say anything, with their numbers from 1."""
    for number, line in enumerate(read_text(path, error=CamerasError).split("\n"), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def _read_pose(line: str, where: str) -> TumPose:
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
            f"{where} must be timestamp tx ty tz qx qy qz qw, got {line.strip()[:60]!r}"
        )
    refuse_far(values[1:4, None], where)
    time, *numbers = values.tolist()
    return TumPose(time, tuple(numbers[:3]), tuple(numbers[3:]))


def _words(line: str) -> list[str]:
    return line.replace(",", " ").split()
