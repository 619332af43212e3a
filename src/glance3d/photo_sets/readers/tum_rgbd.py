"""A sequence of the TUM RGB-D benchmark: lists of colour and depth, and a trajectory.

Source: Sturm et al., "A benchmark for the evaluation of RGB-D SLAM systems", IROS 2012, and its
page of file formats: depth is 16-bit, 5,000 to the metre; files are associated by their time stamps
to 0.02 s.
"""

import math
import re
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

import torch

from glance3d.errors import ImageError
from glance3d.files.text_input import read_text
from glance3d.formats.lenses import Lens, build_lens
from glance3d.known_cameras.matching.time_stamps import TOLERANCE_SECONDS
from glance3d.known_cameras.readers.tum import read_tum
from glance3d.photo_sets.assembly import file_inside, shared_size
from glance3d.photo_sets.photo_set import PhotoSet
from glance3d.types import Cameras

DEPTH_SCALE = 1 / 5000
_LISTS = ("rgb.txt", "depth.txt", "groundtruth.txt")
_SIZE = (640, 480)
_DISTORTION = ("k1", "k2", "p1", "p2", "k3")
# fx, fy, cx, cy (of pixels whose first centre is 0) and the distortion of each of its cameras.
_FREIBURG: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "1": (
        (517.306408, 516.469215, 318.643040, 255.313989),
        (0.262383, -0.953104, -0.005358, 0.002628, 1.163314),
    ),
    "2": (
        (520.908620, 521.007327, 325.141442, 249.701764),
        (0.231222, -0.784899, -0.003257, -0.000105, 0.917205),
    ),
    "3": ((535.4, 539.2, 320.1, 247.6), (0.0,) * 5),
}
# What the benchmark advises for an unknown camera of its kind.
_OF_ITS_KIND = ((525.0, 525.0, 319.5, 239.5), (0.0,) * 5)


def is_tum_sequence(folder: Path) -> bool:
    """Whether the three lists are there."""
    return all((folder / name).is_file() for name in _LISTS)


def nearly_tum_sequence(folder: Path) -> str:
    """What of a sequence is missing, as the end of a sentence, where another list is there."""
    there = [name for name in _LISTS if (folder / name).is_file()]
    missing = [name for name in _LISTS if name not in there]
    if not there or not missing:
        return ""
    return f": of a TUM RGB-D sequence it has {' and '.join(there)}, not {' and '.join(missing)}"


def read_tum_sequence(folder: Path) -> PhotoSet:
    """The colour pictures that have a pose at their time, with depth where there is some.

    Raises:
        ImageError: there are none, or a list is damaged.
    """
    colors, depths = (_read_list(folder / name) for name in _LISTS[:2])
    poses = read_tum(folder / _LISTS[2]).cameras
    order = sorted(range(len(poses)), key=lambda index: poses[index].time or 0.0)
    times = [poses[index].time or 0.0 for index in order]
    depth_times = [time for time, _ in depths]
    paths, matrices, maps, left_out = [], [], [], 0
    for time, path in colors:
        nearest = _nearest(times, time)
        pose = None if nearest is None else poses[order[nearest]].cam_from_world
        if pose is None:
            left_out += 1
            continue
        paths.append(path)
        matrices.append(pose)
        place = _nearest(depth_times, time)
        maps.append(None if place is None else depths[place][1])
    if not paths:
        raise ImageError(
            f"no picture of {folder / _LISTS[0]}{_span([time for time, _ in colors])} has a pose "
            f"within {TOLERANCE_SECONDS} s in {_LISTS[2]}{_span(times)}"
        )
    lens, warnings = _lens(folder)
    if left_out:
        warnings.append(f"{left_out} of {len(colors)} pictures have no pose at their time")
    sizes = torch.tensor([shared_size(paths)] * len(paths))
    radial = torch.full((len(paths),), lens.radial, dtype=torch.float64)
    return PhotoSet(
        folder.resolve().name,
        tuple(paths),
        Cameras(
            torch.stack(matrices),
            lens.intrinsics.expand(len(paths), 3, 3),
            sizes,
            radial if lens.radial else None,
            torch.zeros(len(paths), dtype=torch.long),
        ),
        tuple(maps),
        DEPTH_SCALE,
        True,
        "metre",
        kind="tum-rgbd",
        warnings=tuple(warnings),
    )


def _read_list(path: Path) -> list[tuple[float, Path]]:
    """Lines of ``timestamp file``, sorted by time."""
    entries = []
    for number, line in enumerate(read_text(path, error=ImageError).split("\n"), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            time, name = float(words[0]), words[1]
        except (ValueError, IndexError):
            time, name = math.nan, ""
        if not math.isfinite(time):
            raise ImageError(f"line {number} of {path} must be: timestamp file")
        file = file_inside(path.parent, name)
        if file is None:
            raise ImageError(f"line {number} of {path} names a file that is not in {path.parent}")
        entries.append((time, file))
    return sorted(entries)


def _span(times: Sequence[float]) -> str:
    """From when to when, if there are any."""
    return f" (times {min(times):.3f} to {max(times):.3f})" if times else " (which lists none)"


def _nearest(times: Sequence[float], time: float) -> int | None:
    """The index of the nearest of sorted times, None where it is too far away."""
    place = bisect_left(times, time)
    near = [index for index in (place - 1, place) if 0 <= index < len(times)]
    best = min(near, key=lambda index: abs(times[index] - time), default=None)
    return None if best is None or abs(times[best] - time) > TOLERANCE_SECONDS else best


def _lens(folder: Path) -> tuple[Lens, list[str]]:
    """The camera that the folder's name tells, in pixels whose first centre is 0.5."""
    name = re.search(r"(?:freiburg|fr)([123])(?!\d)", folder.resolve().name)
    values, distortion = _FREIBURG[name[1]] if name else _OF_ITS_KIND
    fx, fy, cx, cy = values
    coefficients = dict(zip(_DISTORTION, distortion, strict=True))
    lens = build_lens((fx, fy), (cx + 0.5, cy + 0.5), _SIZE, coefficients)
    warnings = [] if lens.warning is None else [lens.warning]
    if name is None:
        warnings.append(
            f"{folder} does not say which camera it was (freiburg1, 2 or 3): the intrinsics that "
            "the benchmark advises for its kind are taken"
        )
    return lens, warnings
