"""Resizing as OpenCV does it: the mean of the covered area, or a cubic through four pixels.

Depth Anything 3 is published with these, and Pillow's bicubic differs from the area's mean by up to
two levels of 255 on average. Written from their definitions, in the order and precision of OpenCV's
sums (float32, along rows first), so that levels agree exactly.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int
from PIL import Image

Size = tuple[int, int]

_Numbers = Float32[np.ndarray, "rows numbers"]

# Numbers that are resized at a time, so that they stay in the processor's cache.
_BLOCK = 2**19
# Parts of a pixel below this are dropped, and the others not weighted more for it.
_LEAST_COVERED = 1e-3
# Of the cubic at one pixel's distance: Keys, Cubic convolution interpolation (1981), a in eq. 15.
_SLOPE = -0.75


@dataclass(frozen=True, eq=False)
class _Taps:
    """Of what entries of the source each entry of the result is the weighted sum, along an axis."""

    index: Int[np.ndarray, "target taps"]
    weight: Float32[np.ndarray, "target taps"]

    def __len__(self) -> int:
        return len(self.index)

    def part(self, start: int, stop: int) -> "_Taps":
        """For entries ``start`` to ``stop`` of the result."""
        return _Taps(self.index[start:stop], self.weight[start:stop])


def resize_by_area(image: Image.Image, size: Size) -> Image.Image:
    """An RGB image shrunk to (width, height): each pixel is the mean of the area it covers.

    Halves are rounded to even; where exactly 2 x 2 pixels are covered, upwards.
    """
    if image.size == size:
        return image
    columns, rows = map(_area_taps, image.size, size)
    block = _whole_block(image.size, size)
    if block is None:
        return _resize(image, columns, rows, np.rint)
    # The sum of whole pixels is exact, and only its mean is rounded.
    share = np.float32(1 / math.prod(block))
    columns, rows = (_Taps(taps.index, np.ceil(taps.weight)) for taps in (columns, rows))
    if block == (2, 2):
        return _resize(image, columns, rows, lambda sums: np.floor(sums * share + 0.5))
    return _resize(image, columns, rows, lambda sums: np.rint(sums * share))


def resize_by_cubic(image: Image.Image, size: Size) -> Image.Image:
    """An RGB image resized to (width, height) by cubic convolution, edges repeated.

    Where it shrinks, pixels in between are skipped. OpenCV agrees to one level of 255.
    """
    if image.size == size:
        return image
    columns, rows = map(_cubic_taps, image.size, size)
    return _resize(image, columns, rows, np.rint)


def _whole_block(source: Size, target: Size) -> Size | None:
    """How many pixels across and down each new pixel covers, if they are whole ones."""
    if any(old % new for old, new in zip(source, target, strict=True)):
        return None
    return source[0] // target[0], source[1] // target[1]


def _area_taps(source: int, target: int) -> _Taps:
    # Entry i of the result covers [i r, (i + 1) r) of the source, for r = source / target.
    ratio = source / target
    start = np.arange(target)[:, None] * ratio
    stop = np.minimum(start + ratio, source)
    pixel = np.floor(start).astype(int) + np.arange(math.ceil(ratio) + 1)
    covered = np.minimum(stop, pixel + 1) - np.maximum(start, pixel)
    covered[covered < _LEAST_COVERED] = 0
    return _Taps(np.minimum(pixel, source - 1), (covered / ratio).astype(np.float32))


def _cubic_taps(source: int, target: int) -> _Taps:
    # The centre of entry i of the result, counted from the centre of the source's first pixel.
    center = (np.arange(target)[:, None] + 0.5) * (source / target) - 0.5
    pixel = np.floor(center).astype(int) + np.arange(-1, 3)
    d, a = np.abs(center - pixel), _SLOPE
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * (d**3 - 5 * d**2 + 8 * d - 4)
    weight = np.where(d <= 1, near, far).astype(np.float32)
    return _Taps(pixel.clip(0, source - 1), weight)


def _resize(
    image: Image.Image, columns: _Taps, rows: _Taps, rounded: Callable[[_Numbers], _Numbers]
) -> Image.Image:
    width, height = len(columns), len(rows)
    narrow = np.empty((image.height, width * 3), np.float32)
    for start, stop in _blocks(image.height, image.width * 3):
        narrow[start:stop] = _along_rows(image.crop((0, start, image.width, stop)), columns)
    resized = np.empty((height, width * 3), np.uint8)
    for start, stop in _blocks(height, width * 3):
        sums = rounded(_weighted_sums(narrow, rows.part(start, stop)))
        resized[start:stop] = sums.clip(0, 255)
    return Image.fromarray(resized.reshape(height, width, 3))


def _blocks(rows: int, numbers_per_row: int) -> Iterator[tuple[int, int]]:
    step = max(1, _BLOCK // numbers_per_row)
    return ((start, min(start + step, rows)) for start in range(0, rows, step))


def _along_rows(image: Image.Image, columns: _Taps) -> _Numbers:
    # Columns first, so that what is added lies side by side in memory.
    by_column = np.asarray(image).transpose(1, 0, 2).astype(np.float32, order="C")
    sums = _weighted_sums(by_column.reshape(image.width, -1), columns)
    return sums.reshape(-1, image.height, 3).transpose(1, 0, 2).reshape(image.height, -1)


def _weighted_sums(
    entries: Float32[np.ndarray, "source rest"], taps: _Taps
) -> Float32[np.ndarray, "target rest"]:
    sums = entries[taps.index[:, 0]]
    sums *= taps.weight[:, :1]
    term = np.empty_like(sums)
    for index, weight in zip(taps.index.T[1:], taps.weight.T[1:], strict=True):
        if weight.any():
            np.take(entries, index, axis=0, out=term, mode="clip")
            term *= weight[:, None]
            sums += term
    return sums
