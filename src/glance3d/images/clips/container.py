"""Open a clip and decode it frame by frame, or fail with one clear sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glance3d.errors import ImageError, MissingExtraError
from glance3d.files.regular_file import regular_file
from glance3d.images.files.decoders import DECODER_ERRORS, MAX_PHOTO_PIXELS, check_size, decoding

# After so many broken packets in a row the rest of the file is given up.
_MOST_BROKEN_IN_A_ROW = 100
# Containers that cameras write, and nothing that leads to other files (playlists, concatenations).
_OPTIONS = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,m4v,avi,matroska,webm,mpeg,mpegvideo,mpegts,asf",
    "protocol_whitelist": "file",
}


@dataclass
class OpenClip:
    """An open container and its first video stream; ``num_broken`` counts what was not decoded."""

    path: Path
    container: Any
    stream: Any
    num_broken: int = 0
    last_seconds: float = field(default=-1.0, init=False)

    @property
    def duration(self) -> float | None:
        """Seconds, as the container says it, if it does."""
        if self.stream.duration is not None:
            return float(self.stream.duration * self.stream.time_base)
        return None if self.container.duration is None else self.container.duration / 1e6

    @property
    def num_frames(self) -> int | None:
        """How many frames to expect, as far as the container says."""
        if self.stream.frames:
            return int(self.stream.frames)
        rate = self.stream.average_rate
        return None if rate is None or self.duration is None else round(rate * self.duration)

    def frames(self, start: float | None = None) -> Iterator[tuple[float, Any]]:
        """Seconds and frame, in the order of showing, from the key frame before ``start`` on.

        Time counts from the clip's first frame as the container's clock has it, so that it is
        right at any frame rate. What cannot be decoded is passed over and counted.
        """
        if start is not None:
            self._seek(start)
        self.last_seconds = -1.0
        broken_in_a_row = 0
        for packet in self._packets():
            try:
                decoded = packet.decode()
            except DECODER_ERRORS:
                self.num_broken += 1
                broken_in_a_row += 1
                if broken_in_a_row > _MOST_BROKEN_IN_A_ROW:
                    return
                continue
            broken_in_a_row = 0
            for frame in decoded:
                if frame.is_corrupt:
                    self.num_broken += 1
                else:
                    check_size((frame.width, frame.height), self.path.name)
                    yield self._seconds(frame), frame

    def _packets(self) -> Iterator[Any]:
        packets = self.container.demux(self.stream)
        while True:
            try:
                yield next(packets)
            except StopIteration:
                return
            except DECODER_ERRORS:
                self.num_broken += 1
                return

    def _seek(self, seconds: float) -> None:
        target = int(seconds / self.stream.time_base) + (self.stream.start_time or 0)
        try:
            self.container.seek(target, stream=self.stream, backward=True)
        except DECODER_ERRORS as error:
            raise ImageError(f"{self.path.name} cannot be searched through: {error}") from error

    def _seconds(self, frame: Any) -> float:
        if frame.pts is None:  # old AVIs: one frame after the other
            rate = float(self.stream.average_rate or 25)
            seconds = 0.0 if self.last_seconds < 0 else self.last_seconds + 1 / rate
        else:
            seconds = float((frame.pts - (self.stream.start_time or 0)) * self.stream.time_base)
        self.last_seconds = seconds
        return max(seconds, 0.0)


@contextmanager
def open_clip(path: Path, *, every_frame: bool = True) -> Iterator[OpenClip]:
    """The clip while the block runs; without ``every_frame``, those that no other needs left out.

    Raises:
        ImageError: it is empty, damaged, no video, has no picture, or too large a one.
        MissingExtraError: PyAV is not installed.
    """
    av = import_av(path)
    regular_file(path, error=ImageError)
    try:
        container = av.open(str(path), options=_OPTIONS, metadata_errors="ignore")
    except DECODER_ERRORS as error:
        raise ImageError(
            f"{path.name} is not a video that can be read, it may be damaged or cut short: "
            f"{getattr(error, 'strerror', None) or error}"
        ) from error
    with decoding(path.name), container:
        stream = container.streams.best("video")  # not a cover picture
        if stream is None:
            what = "has sound but no" if container.streams.audio else "has no readable"
            raise ImageError(f"{path.name} {what} picture: it is no video, or was cut short")
        codec = stream.codec_context
        check_size((codec.width, codec.height), path.name)
        codec.options = {"max_pixels": str(MAX_PHOTO_PIXELS)}
        stream.thread_type = "AUTO"
        if not every_frame:
            codec.skip_frame = "NONREF"
        yield OpenClip(path, container, stream)


def import_av(path: Path) -> Any:
    """PyAV, or the sentence that names its extra."""
    try:
        import av
    except ImportError as error:
        raise MissingExtraError(f"reading the clip {path.name}", "av", "video") from error
    return av
