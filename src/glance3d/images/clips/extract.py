"""From a clip to the paths of its chosen frames."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from glance3d.images.clips.frame_paths import frame_path, is_clip
from glance3d.images.clips.reader import frame_metadata
from glance3d.images.clips.sampling import Choice, ClipSampling, choose_frames
from glance3d.images.clips.survey import ClipSurvey, survey_clip
from glance3d.types import PhotoMetadata
from glance3d.types.clips import ClipSummary

_LOG = logging.getLogger("glance3d")
# A beginning or end that stands still for so long is mentioned.
_NOTABLE_STILL = 1.0
_MOVING = 0.01


@dataclass(frozen=True)
class SampledClip:
    """The chosen frames of one clip, as paths, with their size and metadata.

    ``size`` is (width, height) of the upright frames, ``metadata`` one a frame.
    """

    frames: tuple[Path, ...]
    size: tuple[int, int]
    metadata: tuple[PhotoMetadata, ...]
    summary: ClipSummary


def sample_clip(path: Path, sampling: ClipSampling, *, progress: bool = False) -> SampledClip:
    """Choose the frames of a clip that become views.

    Raises:
        ImageError: the clip cannot be read at all.
        MissingExtraError: PyAV is not installed.
    """
    survey = survey_clip(path, progress=progress)
    choice = choose_frames(survey.times, survey.sharpness, survey.travel, sampling)
    times = tuple(float(survey.times[frame]) for frame in choice.frames)
    summary = ClipSummary(
        source=str(path),
        seconds=round(survey.seconds, 3),
        num_frames=survey.num_frames,
        times=tuple(round(time, 6) for time in times),
        why=choice.why + _still_ends(survey),
        warnings=(*survey.warnings, *_warnings(path, survey, choice)),
    )
    _LOG.info("%s", describe_clip(summary))
    return SampledClip(
        frames=tuple(frame_path(path, time) for time in times),
        size=survey.size,
        metadata=tuple(
            frame_metadata(survey.metadata, time, is_first=index == 0)
            for index, time in enumerate(times)
        ),
        summary=summary,
    )


def expand_clips(
    paths: Sequence[Path], sampling: ClipSampling, *, progress: bool = False
) -> list[Path]:
    """The same paths, every clip replaced by its chosen frames; raises as :func:`sample_clip`."""
    expanded: list[Path] = []
    for path in paths:
        is_one = is_clip(path)
        expanded += sample_clip(path, sampling, progress=progress).frames if is_one else (path,)
    return expanded


def describe_clip(summary: ClipSummary) -> str:
    """How many of how many frames were taken, and why these."""
    return (
        f"{Path(summary.source).name}: {len(summary.times)} of {summary.num_frames} frames "
        f"({summary.seconds:.1f} s): {summary.why}"
    )


def _still_ends(survey: ClipSurvey) -> str:
    """How long the camera stands still at both ends."""
    times, travel = survey.times, survey.travel
    start = times[travel <= travel[0] + _MOVING][-1] - times[0]
    end = times[-1] - times[travel >= travel[-1] - _MOVING][0]
    if min(start, end) >= survey.seconds:
        return ""
    counts = [
        f"the {which} {seconds:.1f} s"
        for which, seconds in (("first", start), ("last", end))
        if seconds >= _NOTABLE_STILL
    ]
    return f"; nothing moves in {' and '.join(counts)}" if counts else ""


def _warnings(path: Path, survey: ClipSurvey, choice: Choice) -> tuple[str, ...]:
    if len(choice.frames) > 1 or survey.num_frames == 1:
        return ()
    return (
        f"nothing moves in {path.name}, so that it gives one view: walk with the camera, which "
        "shows depth",
    )
