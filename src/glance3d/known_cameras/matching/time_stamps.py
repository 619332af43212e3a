"""Which pose of a trajectory is which photo's: by the time in the photo's name, or by order."""

import re
from collections.abc import Sequence

import torch

from glance3d.errors import CamerasError
from glance3d.text import counted

# As TUM's own tool associates photos and poses.
TOLERANCE_SECONDS = 0.02
# A number in a name is a time if it has a fraction, or so many digits (whole ms, us or ns).
_DIGITS_OF_A_TIME = 9
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
# Frames of clips are called clip_MINUTES-SECONDS (see images/clips/frame_paths.py).
_OF_A_CLIP = re.compile(r".*_(\d{2,9})-(\d{2}\.\d{3})")


def match_times(
    names: Sequence[str], times: Sequence[float | None], source: str
) -> tuple[list[int | None], str]:
    """For each photo the index of its pose, and by what that was decided.

    Raises:
        CamerasError: the names hold no times, and there are not as many poses as photos.
    """
    stamps = [seconds_in_name(name) for name in names]
    known = torch.tensor([-1.0 if time is None else time for time in times], dtype=torch.float64)
    exact = {time: index for index, time in enumerate(times) if time is not None}
    if all(stamp in exact for stamp in stamps):
        return [exact[stamp] for stamp in stamps if stamp is not None], "time stamps in the names"
    for unit in (1.0, 1e-3, 1e-6, 1e-9):
        camera_indices = [
            _nearest(known, stamp * unit) if stamp is not None and _is_time(name) else None
            for name, stamp in zip(names, stamps, strict=True)
        ]
        if any(index is not None for index in camera_indices):
            return camera_indices, f"time stamps in the names, to {TOLERANCE_SECONDS} s"
    if len(names) == len(times):
        in_order: list[int | None] = list(range(len(names)))
        return in_order, "order: as many poses as photos, no time stamps in the names"
    raise CamerasError(
        f"it is not clear which pose of {source} is whose: the photos' names hold no time stamps "
        f"of its (to {TOLERANCE_SECONDS} s), and it has {counted(len(times), 'pose')} for "
        f"{counted(len(names), 'photo')}"
    )


def seconds_in_name(name: str) -> float | None:
    """The time of a clip's frame, or the longest number in a name, without the suffix."""
    stem = re.sub(r"\.[A-Za-z][A-Za-z0-9]*$", "", name)
    frame = _OF_A_CLIP.fullmatch(stem)
    if frame is not None:
        return int(frame[1]) * 60 + float(frame[2])
    numbers = _NUMBER.findall(stem)
    return float(max(numbers, key=len)) if numbers else None


def _is_time(name: str) -> bool:
    stem = re.sub(r"\.[A-Za-z][A-Za-z0-9]*$", "", name)
    if _OF_A_CLIP.fullmatch(stem):
        return True
    longest: str = max(_NUMBER.findall(stem), key=len, default="")
    return "." in longest or len(longest) >= _DIGITS_OF_A_TIME


def _nearest(times: torch.Tensor, stamp: float) -> int | None:
    distance = (times - stamp).abs()
    nearest = int(distance.argmin())
    return nearest if float(distance[nearest]) <= TOLERANCE_SECONDS else None
