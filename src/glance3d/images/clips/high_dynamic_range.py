"""High dynamic range (PQ, HLG; BT.2020 colours) to 8-bit sRGB.

Sources: ITU-R BT.2100-2, tables 4 (PQ) and 5 (HLG); reference white of 203 cd/m2 from ITU-R
BT.2408; primaries from ITU-R BT.2087. What is brighter than the reference white is compressed
smoothly instead of clipped.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8, UInt16

_REFERENCE_WHITE = 203.0
_HLG_PEAK, _HLG_GAMMA = 1000.0, 1.2
_LUMINANCE_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
_709_FROM_2020 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)
_KNEE = 0.75  # of the reference white's light; brighter light is compressed
_ROWS = 128  # at a time, so that a frame's floats stay small


def to_standard_range(
    pixels: UInt16[np.ndarray, "height width 3"], transfer: str
) -> UInt8[np.ndarray, "height width 3"]:
    """16-bit BT.2020 values in this transfer ("pq" or "hlg") as 8-bit sRGB."""
    table = _TO_LIGHT[transfer](np.linspace(0, 1, 65536)).astype(np.float32)
    result = np.empty(pixels.shape, np.uint8)
    for start in range(0, len(pixels), _ROWS):
        light = table[pixels[start : start + _ROWS]]
        if transfer == "hlg":  # the display's part: brightness grows faster than light
            luminance = light @ _LUMINANCE_2020
            light = light * np.maximum(luminance, 1e-6)[..., None] ** (_HLG_GAMMA - 1)
            light *= _HLG_PEAK / _REFERENCE_WHITE
        result[start : start + _ROWS] = _encode(_compressed(light @ _709_FROM_2020.T))
    return result


def _pq(signal: Float[np.ndarray, " levels"]) -> Float[np.ndarray, " levels"]:
    """Light over the reference white."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = signal ** (1 / m2)
    return (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1) * 10_000 / _REFERENCE_WHITE


def _hlg(signal: Float[np.ndarray, " levels"]) -> Float[np.ndarray, " levels"]:
    """The scene's light, 1 at the peak."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def _compressed(light: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """Below the knee as it is, above it towards 1; hue stays, because the brightest decides."""
    light = np.maximum(light, 0)
    peak = light.max(-1, keepdims=True)
    room = 1 - _KNEE
    over = 1 - room * np.exp(-np.maximum(peak - _KNEE, 0) / room)
    return light * np.where(peak > _KNEE, over / np.maximum(peak, 1e-6), 1)


def _encode(light: Float[np.ndarray, "*n 3"]) -> UInt8[np.ndarray, "*n 3"]:
    """IEC 61966-2-1."""
    low, high = light * 12.92, 1.055 * np.maximum(light, 1e-6) ** (1 / 2.4) - 0.055
    return np.rint(np.where(light <= 0.0031308, low, high).clip(0, 1) * 255).astype(np.uint8)


_TO_LIGHT: dict[str, Callable[[np.ndarray], np.ndarray]] = {"pq": _pq, "hlg": _hlg}
# By FFmpeg's numbers (AVColorTransferCharacteristic).
HDR_TRANSFERS = {16: "pq", 18: "hlg"}
