"""Image motion of a clip, measured on small grey frames, and the sharpness of each frame.

Every frame is compared with an anchor, the last frame that had clearly moved: a slow pan is
measured completely, and the jitter of a still camera does not accumulate. Tiles of the two frames
are registered by phase correlation (Kuglin and Hines, "The phase correlation image alignment
method", 1975). Their median displacement also grows when the camera rotates about its axis, moves
forward or circles an object, where the shift of the whole image is zero.
"""

import numpy as np
from jaxtyping import Float, UInt8

MOTION_SIDE = 128  # longer side of the frames that motion is measured on
_TILE, _STRIDE = 32, 16
_REACH = 11.0  # pixels: for larger shifts two tiles share too little content
_RE_ANCHOR = 5.0
_CERTAIN = 0.25  # of a correlation peak, 1 for the same picture
_FEWEST_TILES = 3
_LEAST_CONTRAST = 1.5  # grey levels: below it a tile shows noise
_NOISE = 1.0  # of a grey level
# Motion that is assumed when no shift is found: a cut, or a very fast pan.
_LOST = 0.25
# A frame that much blurrier than its anchor is skipped instead.
_BLURRED = 0.5

Grey = Float[np.ndarray, "height width"]


def sharpness_of(grey: UInt8[np.ndarray, "height width"]) -> float:
    """Mean squared gradient relative to the picture's variance: its mean squared frequency.

    The energy of the gradients is the classic focus measure (Krotkov, "Focusing", 1988); dividing
    by the variance keeps changes of exposure out.
    """
    values = grey.astype(np.float32)
    across, down = np.diff(values, axis=1), np.diff(values, axis=0)
    energy = float(np.square(across).mean() + np.square(down).mean())
    return energy / (float(values.var()) + _NOISE)


class Travel:
    """Accumulates the image motion of a clip, frame by frame."""

    def __init__(self) -> None:
        self._anchor: Grey | None = None
        self._anchor_sharpness = 0.0
        self._before = 0.0  # until the anchor
        self._so_far = 0.0

    def follow(self, grey: UInt8[np.ndarray, "height width"]) -> float:
        """The motion up to this frame, in longer sides of the image; it never decreases."""
        frame = grey.astype(np.float64)
        sharpness = sharpness_of(grey)
        if self._anchor is None:
            self._set_anchor(frame, sharpness)
            return 0.0
        moved = displacement(self._anchor, frame)
        if moved is None and sharpness < _BLURRED * self._anchor_sharpness:
            return self._so_far
        side = max(frame.shape)
        way = self._before + (_LOST if moved is None else moved / side)
        self._so_far = max(self._so_far, way)
        if moved is None or moved > _RE_ANCHOR:
            self._before = self._so_far
            self._set_anchor(frame, sharpness)
        return self._so_far

    def _set_anchor(self, frame: Grey, sharpness: float) -> None:
        self._anchor, self._anchor_sharpness = frame, sharpness


def displacement(first: Grey, second: Grey) -> float | None:
    """By how many pixels most of the image has moved; None if no shift is found.

    0 for an image without texture.
    """
    tiles = _tiles(first), _tiles(second)
    contrast = np.minimum(*(tile.std((1, 2)) for tile in tiles))
    seen = contrast > _LEAST_CONTRAST
    if seen.sum() < _FEWEST_TILES:
        return 0.0 if abs(first.mean() - second.mean()) < 20 else None
    shifts, peaks = register(tiles[0][seen], tiles[1][seen])
    lengths = np.hypot(*shifts.T)
    sure = (peaks >= _CERTAIN) & (lengths <= _REACH)
    if sure.sum() >= max(_FEWEST_TILES, 0.3 * len(sure)):
        return float(np.median(lengths[sure]))
    # Too far for the tiles: the whole image covers larger shifts, but translations only.
    shift, peak = register(first[None], second[None])
    return float(np.hypot(*shift[0])) if peak[0] >= _CERTAIN else None


def register(
    first: Float[np.ndarray, "tiles height width"], second: Float[np.ndarray, "tiles height width"]
) -> tuple[Float[np.ndarray, "tiles 2"], Float[np.ndarray, " tiles"]]:
    """The shift (x, y) of each tile's content, in pixels, and the height of its peak (up to 1)."""
    height, width = first.shape[1:]
    window = np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[None, 1:-1]
    spectra = [np.fft.rfft2((t - t.mean((1, 2), keepdims=True)) * window) for t in (first, second)]
    cross = spectra[1] * spectra[0].conj()
    power = np.abs(cross) + _NOISE**2 * np.square(window).sum()
    # Fine detail is noise and blur: a Gaussian keeps structures of several pixels.
    fine = np.square(np.fft.fftfreq(height))[:, None] + np.square(np.fft.rfftfreq(width))[None]
    weight = np.exp(-fine / (2 * 0.15**2))
    full = np.fft.irfft2(np.broadcast_to(weight + 0j, cross.shape[1:]), (height, width))[0, 0]
    surface = np.fft.irfft2(cross / power * weight, (height, width)) / full
    return _peaks(surface)


def _peaks(
    surface: Float[np.ndarray, "tiles height width"],
) -> tuple[Float[np.ndarray, "tiles 2"], Float[np.ndarray, " tiles"]]:
    """The peak of each, to a fraction of a pixel by a parabola along each axis."""
    count, height, width = surface.shape
    tile = np.arange(count)
    flat = surface.reshape(count, -1).argmax(1)
    rows, columns = flat // width, flat % width
    top = surface[tile, rows, columns]

    def vertex(before: np.ndarray, after: np.ndarray) -> np.ndarray:
        curve = before - 2 * top + after
        return np.where(curve < 0, 0.5 * (before - after) / np.minimum(curve, -1e-12), 0.0)

    x = columns + vertex(
        surface[tile, rows, columns - 1], surface[tile, rows, (columns + 1) % width]
    )
    y = rows + vertex(surface[tile, rows - 1, columns], surface[tile, (rows + 1) % height, columns])
    x, y = (x + width / 2) % width - width / 2, (y + height / 2) % height - height / 2
    return np.stack([x, y], -1), top


def _tiles(frame: Grey) -> Float[np.ndarray, "tiles side side"]:
    side = min(_TILE, *frame.shape)
    windows = np.lib.stride_tricks.sliding_window_view(frame, (side, side))
    stride = max(1, side * _STRIDE // _TILE)
    return windows[::stride, ::stride].reshape(-1, side, side)
