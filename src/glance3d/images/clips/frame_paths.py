"""How a frame of a clip is named: by its file and time as a source, by time stamp as a photo."""

import re
from pathlib import Path

CLIP_SUFFIXES = (
    ".3gp",
    ".avi",
    ".m2ts",
    ".m4v",
    ".mkv",
    ".mov",
    ".mp4",
    ".mpeg",
    ".mpg",
    ".mts",
    ".webm",
    ".wmv",
)
_FRAGMENT = re.compile(r"(.+)#t=(\d+(?:\.\d+)?)")


def is_clip(path: Path) -> bool:
    """Whether a file's name is that of a video."""
    return path.suffix.lower() in CLIP_SUFFIXES


def frame_path(clip: Path, seconds: float) -> Path:
    """The frame of a clip that is shown at this time, as a source."""
    return clip.with_name(f"{clip.name}#t={seconds:.6f}")


def split_frame(path: Path) -> tuple[Path, float] | None:
    """The clip and the time of a frame's path; None for any other path."""
    match = _FRAGMENT.fullmatch(path.name)
    if match is None or not is_clip(Path(match[1])):
        return None
    return path.with_name(match[1]), float(match[2])


def seconds_of(source: str | Path) -> float | None:
    """The time of a frame in its clip; None for a photo."""
    frame = split_frame(Path(source))
    return None if frame is None else frame[1]


def file_of(path: Path) -> Path:
    """The file on disk: the clip of a frame, and a photo itself."""
    frame = split_frame(path)
    return path if frame is None else frame[0]


def shown_path(path: Path) -> Path:
    """The path under which people know a frame: ``clip_01-03.250.jpg`` is 63.25 s into the clip.

    The names of one clip's frames sort by time. Other paths stay as they are.
    """
    frame = split_frame(path)
    if frame is None:
        return path
    clip, seconds = frame
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    return clip.with_name(f"{clip.stem}_{minutes:02d}-{milliseconds / 1000:06.3f}.jpg")
