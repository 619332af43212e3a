"""The photos that were asked for: files, frames of clips, or images in memory."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from glance3d.errors import ImageError, InputError
from glance3d.images.clips import ClipSampling, is_clip, sample_clip, split_frame
from glance3d.images.decoding.decode import Photo, PhotoHeader
from glance3d.images.finding.sources import FoundSources, PathLike, find_sources
from glance3d.images.masks import MaskSources
from glance3d.images.naming.unique_names import unique_names
from glance3d.types import ClipSummary, SkippedPhoto

ImageInMemory = Image.Image | np.ndarray
Sources = PathLike | ImageInMemory | Sequence[PathLike | ImageInMemory]

_LOG = logging.getLogger("glance3d")
SHOWN_REASONS = 5


@dataclass(frozen=True, eq=False)
class Candidate:
    """A photo in the given list."""

    name: str
    source: str
    photo: Photo
    header: PhotoHeader | None = None  # where it is known already: of a clip's frames

    @property
    def is_frame(self) -> bool:
        """Whether it is a frame of a clip."""
        return isinstance(self.photo, Path) and split_frame(self.photo) is not None


def files_and_pictures(
    sources: Sources | FoundSources, masks: MaskSources | None
) -> tuple[FoundSources, list[Candidate]]:
    """What was given: the files that were found, or images in memory."""
    if isinstance(sources, FoundSources):
        return sources, []
    entries = (
        list(sources)
        if isinstance(sources, Sequence) and not isinstance(sources, str)
        else [sources]
    )
    pictures = [entry for entry in entries if isinstance(entry, ImageInMemory)]
    files = [entry for entry in entries if not isinstance(entry, ImageInMemory)]
    if pictures and files:
        raise InputError("got paths and images in memory in one list: give one kind or the other")
    if not pictures:
        return find_sources(files, apart=_folder_of(masks)), []
    return FoundSources(()), [
        Candidate(f"view_{index:03d}.png", f"memory:{index}", _as_picture(picture))
        for index, picture in enumerate(pictures)
    ]


def _folder_of(masks: MaskSources | None) -> PathLike | None:
    return masks if isinstance(masks, str | os.PathLike) else None


def find_candidates(
    sources: FoundSources,
    sampling: ClipSampling,
    clips: list[ClipSummary],
    skipped: list[SkippedPhoto],
    progress: bool,
) -> list[Candidate]:
    """Photos and frames of clips under names that differ; ``clips`` and ``skipped`` grow."""
    headers: dict[Path, PhotoHeader | None] = {}
    for path in sources.paths:
        if not is_clip(path):
            headers.setdefault(path)
            continue
        try:
            clip = sample_clip(path, sampling, progress=progress)
        except ImageError as error:
            skip_photo(str(path.absolute()), error, skipped)
            continue
        clips.append(clip.summary)
        for frame, metadata in zip(clip.frames, clip.metadata, strict=True):
            headers[frame] = PhotoHeader(clip.size, 1, metadata)
    return [
        Candidate(name, str(path.absolute()), path, header)
        for name, (path, header) in zip(unique_names(list(headers)), headers.items(), strict=True)
    ]


def _as_picture(image: ImageInMemory) -> Image.Image:
    if isinstance(image, Image.Image):
        return image
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(
            "an image as an array must be uint8 [height, width, 3], got "
            f"{image.dtype} of shape {image.shape}: give several images as a list of such arrays"
        )
    return Image.fromarray(image)


def log_left_out(sources: FoundSources) -> None:
    """One line for all that was left out when the sources were looked for."""
    reasons = [photo.reason for photo in sources.skipped]
    if reasons:
        more = f"; and {len(reasons) - SHOWN_REASONS} more" if len(reasons) > SHOWN_REASONS else ""
        _LOG.warning("left out: %s%s", "; ".join(reasons[:SHOWN_REASONS]), more)


def skip_photo(source: str, error: ImageError, skipped: list[SkippedPhoto]) -> None:
    """Leave a photo out, and say so."""
    _LOG.warning("skipped a photo: %s", error)
    skipped.append(SkippedPhoto(source, str(error)))
