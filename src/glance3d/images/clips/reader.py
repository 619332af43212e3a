"""Read frames of clips at full size; in the order of their times nothing is decoded twice."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from PIL import Image

from glance3d.errors import ImageError
from glance3d.images.clips.clip_metadata import clip_metadata, later
from glance3d.images.clips.container import OpenClip, open_clip
from glance3d.images.clips.frame_paths import split_frame
from glance3d.images.clips.picture import to_picture, upright_size
from glance3d.images.clips.survey import pixel_aspect
from glance3d.images.files.decoders import decoding
from glance3d.types import PhotoMetadata

# A frame is the one whose time is named, but for rounding in its name.
_ROUNDING = 5e-4
# Up to this far ahead, decoding on is assumed to be cheaper than seeking to a key frame.
_NEAR = 3.0


class OpenClips:
    """Clips that stay open while the block runs, so that decoding continues from the last frame.

    One frame is decoded at a time, from whatever thread: a decoder of 4K holds dozens of frames.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files = ExitStack()
        self._readers: dict[Path, _Reader] = {}

    def __enter__(self) -> "OpenClips":
        return self

    def __exit__(self, *exception: object) -> None:
        self._files.close()

    def opened(self, path: Path) -> Image.Image | None:
        """The picture of a frame's path; None for the path of a photo.

        Raises:
            ImageError: the clip cannot be read, or has no such frame (any more).
            MissingExtraError: PyAV is not installed.
        """
        frame = split_frame(path)
        if frame is None:
            return None
        clip, seconds = frame
        with self._lock, decoding(clip.name):
            if clip not in self._readers:
                self._close_others()
                self._readers[clip] = _Reader(self._files.enter_context(open_clip(clip)))
            return self._readers[clip].read(seconds)

    def _close_others(self) -> None:
        self._files.close()
        self._readers.clear()


class _Reader:
    """One open clip, and the position of its decoder."""

    def __init__(self, clip: OpenClip) -> None:
        self._clip = clip
        self._frames: Iterator | None = None
        self._position = 0.0

    def read(self, seconds: float) -> Image.Image:
        ahead = seconds - self._position
        if self._frames is None or not 0 < ahead <= _NEAR:
            self._frames = self._clip.frames(start=seconds)
        for position, frame in self._frames:
            self._position = position
            if position >= seconds - _ROUNDING:
                return to_picture(frame, pixel_aspect(self._clip))
        self._frames = None
        raise ImageError(
            f"{self._clip.path.name} has no frame at {seconds:g} s (any more): give the clip as it "
            "was"
        )


def read_frame(path: Path) -> Image.Image:
    """The picture of one frame, by its path."""
    with OpenClips() as clips:
        picture = clips.opened(path)
    assert picture is not None  # asked for frames' paths only
    return picture


def read_frame_header(path: Path) -> tuple[tuple[int, int], PhotoMetadata]:
    """(width, height) of an upright frame of this clip, and how it was taken."""
    frame = split_frame(path)
    assert frame is not None  # asked for frames' paths only
    with open_clip(frame[0]) as clip:
        tags = {**clip.container.metadata, **clip.stream.metadata}
        metadata = frame_metadata(clip_metadata(frame[0], tags), frame[1], is_first=False)
        for _, first in clip.frames():
            return upright_size(first, pixel_aspect(clip)), metadata
    raise ImageError(f"no frame of {frame[0].name} can be decoded: it is damaged")


def frame_metadata(clip: PhotoMetadata, seconds: float, *, is_first: bool) -> PhotoMetadata:
    """Of a frame. A container holds one position, where filming began: the first frame's."""
    return PhotoMetadata(
        camera=clip.camera,
        latitude=clip.latitude if is_first else None,
        longitude=clip.longitude if is_first else None,
        altitude=clip.altitude if is_first else None,
        taken=later(clip.taken, seconds),
    )
