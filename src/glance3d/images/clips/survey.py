"""The first pass over a clip: time, sharpness and motion of every frame, on small grey images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from glance3d.errors import ImageError
from glance3d.images.clips.clip_metadata import clip_metadata
from glance3d.images.clips.container import OpenClip, open_clip
from glance3d.images.clips.motion import MOTION_SIDE, Travel, sharpness_of
from glance3d.images.clips.picture import to_grey, upright_size
from glance3d.progress import ProgressBar
from glance3d.types import PhotoMetadata

# Motion blur of a few pixels must show; finer grain is noise.
_SHARPNESS_SIDE = 640
# Beyond so many frames (two minutes at 30 a second) those that no other frame builds on are left
# out of the look: about half of the work, and there are always neighbours.
_LONG = 3600
# Seconds that may be missing at the end without a warning.
_MISSING_END = 1.0


@dataclass(frozen=True)
class ClipSurvey:
    """What is known of a clip's frames: when they are shown, how sharp, how far it has travelled.

    ``size`` is (width, height) of an upright frame; ``travel`` counts in longer sides of the
    picture. ``num_frames`` are those that were looked at.
    """

    size: tuple[int, int]
    metadata: PhotoMetadata
    times: Float[np.ndarray, " frames"]
    sharpness: Float[np.ndarray, " frames"]
    travel: Float[np.ndarray, " frames"]
    warnings: tuple[str, ...]

    @property
    def num_frames(self) -> int:
        """How many were looked at."""
        return len(self.times)

    @property
    def seconds(self) -> float:
        """From the first frame to the last."""
        return float(self.times[-1] - self.times[0])


def survey_clip(path: Path, *, progress: bool = False) -> ClipSurvey:
    """Decode all frames of a clip once.

    Raises:
        ImageError: it is no video, or no frame of it can be decoded.
        MissingExtraError: PyAV is not installed.
    """
    with open_clip(path) as clip:
        num_expected = clip.num_frames
    with open_clip(path, every_frame=(num_expected or 0) <= _LONG) as clip:
        return _survey(clip, num_expected, progress)


def _survey(clip: OpenClip, num_expected: int | None, progress: bool) -> ClipSurvey:
    times, sharpness, ways = [], [], []
    travel, size = Travel(), None
    bar = ProgressBar(
        clip.frames(), clip.path.name, num_expected, disable=not progress, unit="frame", leave=False
    )
    for seconds, frame in bar:
        if times and seconds <= times[-1]:
            continue  # a time stamp that goes back belongs to no place of the clip
        if size is None:
            size = upright_size(frame, pixel_aspect(clip))
        grey = to_grey(frame, _SHARPNESS_SIDE)
        times.append(seconds)
        sharpness.append(sharpness_of(grey))
        ways.append(travel.follow(to_grey(frame, MOTION_SIDE)))
    if size is None:
        raise ImageError(
            f"no frame of {clip.path.name} can be decoded: it is damaged, or holds no picture"
        )
    return ClipSurvey(
        size,
        clip_metadata(clip.path, {**clip.container.metadata, **clip.stream.metadata}),
        np.array(times),
        np.array(sharpness),
        np.array(ways),
        _warnings(clip, times[-1]),
    )


def pixel_aspect(clip: OpenClip) -> float:
    """The width of a stored pixel over its height."""
    return float(clip.stream.sample_aspect_ratio or 1)


def _warnings(clip: OpenClip, last: float) -> tuple[str, ...]:
    name, frames = clip.path.name, []
    if clip.num_broken:
        pieces = "piece" if clip.num_broken == 1 else "pieces"
        frames.append(f"{name} is damaged: {clip.num_broken} {pieces} of it could not be decoded")
    if clip.duration is not None and clip.duration - last > _MISSING_END + 0.1 * clip.duration:
        frames.append(
            f"{name} ends at {last:.1f} s, although it should last {clip.duration:.1f} s: it may "
            "be cut short"
        )
    return tuple(frames)
