"""Pictures to a clip that plays everywhere."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

from glance3d.errors import MissingExtraError
from glance3d.files.atomic import atomic_file

# The first that this FFmpeg can write. H.264 plays in every browser and phone.
_CODECS = ("libx264", "libopenh264", "mpeg4")


def save_clip(
    frames: Sequence[Image.Image], path: Path, seconds_each: float, bit_rate: int = 4_000_000
) -> Path:
    """Write an MP4 that shows each picture (all of one size) for so long, at ``bit_rate`` a second.

    An odd last row or column is cut off, because video stores colour at half size.

    Raises:
        MissingExtraError: PyAV is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise MissingExtraError(f"writing {path.name}", "av", "video") from error
    width, height = (side // 2 * 2 for side in frames[0].size)
    with atomic_file(path) as temporary:
        try:
            with av.open(str(temporary), "w", format="mp4") as container:
                rate = Fraction(1 / seconds_each).limit_denominator(1000)
                stream: Any = container.add_stream(_codec(av), rate=rate)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.codec_context.bit_rate = bit_rate
                for picture in frames:
                    whole = picture.crop((0, 0, width, height))
                    container.mux(stream.encode(av.VideoFrame.from_image(whole)))
                container.mux(stream.encode())
        except av.error.FFmpegError as error:
            raise OSError(error.errno, error.strerror) from error
    return path


def _codec(av: Any) -> str:
    return next(name for name in _CODECS if name in av.codecs_available)
