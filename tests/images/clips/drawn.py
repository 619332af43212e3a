"""Small clips, drawn and encoded in the test: a window that moves over one large picture."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageFilter

SIZE = (160, 96)
_CLOCK = Fraction(1, 1000)


def large_picture(width: int = 900, height: int = 160) -> Image.Image:
    """Blobs of many sizes and colours, so that every window of it is like no other."""
    random = np.random.default_rng(0)
    picture = np.zeros((height, width, 3), np.float32)
    for cells in (60, 20, 8, 3):
        small = random.random((height // cells + 2, width // cells + 2, 3), dtype=np.float32)
        grown = Image.fromarray((small * 255).astype(np.uint8))
        picture += np.asarray(grown.resize((width, height), Image.Resampling.BICUBIC), np.float32)
    return Image.fromarray((picture / 4).astype(np.uint8))


def pan(
    places: Iterable[float], blurred: Sequence[int] = (), size: tuple[int, int] = SIZE
) -> list[Image.Image]:
    """A frame for each place of the window (pixels from the left); some blurred."""
    large, frames = large_picture(), []
    for index, x in enumerate(places):
        window = large.transform(
            size, Image.Transform.AFFINE, (1, 0, x, 0, 1, 20), Image.Resampling.BICUBIC
        )
        frames.append(window.filter(ImageFilter.BoxBlur(3)) if index in blurred else window)
    return frames


def write_clip(
    path: Path,
    frames: Sequence[Image.Image],
    *,
    rate: float = 10,
    times: Sequence[float] | None = None,
    rotation: int | None = None,
    codec: str = "mpeg4",
    pixel_format: str = "yuv420p",
    metadata: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
    aspect: Fraction | None = None,
) -> Path:
    """Encode the frames, shown at these times (or at this rate), turned by the display matrix."""
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(codec, rate=30, options=options or {"qscale": "2"})
        stream.width, stream.height = frames[0].size
        stream.pix_fmt = pixel_format
        stream.codec_context.time_base = _CLOCK
        stream.codec_context.bit_rate = 4_000_000
        if aspect is not None:
            stream.sample_aspect_ratio = aspect
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for index, picture in enumerate(frames):
            frame = av.VideoFrame.from_image(picture)
            seconds = index / rate if times is None else times[index]
            frame.pts, frame.time_base = round(seconds / _CLOCK), _CLOCK
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
