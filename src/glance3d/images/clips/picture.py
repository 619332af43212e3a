"""From a decoded frame to an image: upright, square pixels, 8-bit sRGB."""

from typing import Any

import numpy as np
from PIL import Image

from glance3d.images.clips.high_dynamic_range import HDR_TRANSFERS, to_standard_range

Size = tuple[int, int]

# FFmpeg's numbers (AVColorSpace) to the names of its scaler's matrices.
_MATRICES = {1: "ITU709", 4: "FCC", 5: "ITU601", 6: "ITU601", 7: "SMPTE240M", 9: "BT2020"}
_FULL_RANGE = 2
# If the file does not state one: the standard for its size.
_SMALLEST_HD_SIDE = 720
# Turns that make a frame upright, by how far the container says it is turned, counterclockwise.
_UPRIGHT = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}


def upright_size(frame: Any, pixel_aspect: float) -> Size:
    """(width, height) of :func:`to_picture` of this frame."""
    width, height = _square_size(frame, pixel_aspect)
    return (height, width) if _rotation_degrees(frame) in (90, 270) else (width, height)


def to_picture(frame: Any, pixel_aspect: float) -> Image.Image:
    """The frame upright, as 8-bit sRGB; ``pixel_aspect`` is the width of a pixel over its height.

    The colour matrix and range are those that the file states, or else the usual ones of its size.
    High dynamic range (PQ, HLG) is brought to the standard one.
    """
    width, height = _square_size(frame, pixel_aspect)
    is_hdr = int(frame.color_trc) in HDR_TRANSFERS
    converted = frame.reformat(
        width=width,
        height=height,
        format="rgb48le" if is_hdr else "rgb24",
        src_colorspace=_matrix(frame),
        src_color_range="JPEG" if int(frame.color_range) == _FULL_RANGE else "MPEG",
        dst_color_range="JPEG",
        interpolation="BICUBIC",
    )
    pixels = converted.to_ndarray()
    if is_hdr:
        pixels = to_standard_range(pixels, HDR_TRANSFERS[int(frame.color_trc)])
    image = Image.fromarray(np.ascontiguousarray(pixels))
    turn = _rotation_degrees(frame)
    return image.transpose(_UPRIGHT[turn]) if turn else image


def to_grey(frame: Any, longer_side: int) -> np.ndarray:
    """The frame as it lies, small and grey: uint8 ``[height, width]``."""
    scale = min(1.0, longer_side / max(frame.width, frame.height))
    width, height = (max(1, round(side * scale)) for side in (frame.width, frame.height))
    small = frame.reformat(width=width, height=height, format="gray", interpolation="AREA")
    return small.to_ndarray()


def _square_size(frame: Any, pixel_aspect: float) -> Size:
    if not 0.1 < pixel_aspect < 10:
        pixel_aspect = 1.0
    return max(1, round(frame.width * pixel_aspect)), frame.height


def _rotation_degrees(frame: Any) -> int:
    """0, 90, 180 or 270 degrees, counterclockwise."""
    return round(frame.rotation / 90) % 4 * 90


def _matrix(frame: Any) -> str:
    is_hd = min(frame.width, frame.height) >= _SMALLEST_HD_SIDE
    return _MATRICES.get(int(frame.colorspace), "ITU709" if is_hd else "ITU601")
