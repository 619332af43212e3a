"""Any Pillow mode to 8-bit RGB, without clipping what has more than 8 bits.

Colours are taken as they are stored: embedded colour profiles are not applied, as in the published
preprocessing.
"""

import numpy as np
from jaxtyping import Num
from PIL import Image

# What the brightest value of a picture may mean, where the file does not say.
_FULL_SCALES = (1.0, 255.0, 65535.0)
# Of integers: sensors of 10, 12 and 14 bits as well, which are stored in 16 as they are.
_INTEGER_SCALES = (1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0)
# A picture that is declared to have 16 bits and uses the lowest 8 alone is dark.
_SIXTEEN_BIT_SCALES = (1023.0, 4095.0, 16383.0, 65535.0)


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture as 8-bit RGB: alpha composited over white, deep greyscale scaled down.

    White of 16-bit greyscale is that of 10, 12, 14 or 16 bits, whichever is the first that holds
    the brightest pixel: cameras of fewer bits store their values as they are. 32-bit integers and
    floats declare no range: theirs may be 1 or 255, too (floats': 1, 255 or 65535), and above 16
    bits the brightest pixel itself is white.

    Raises:
        ValueError: this Pillow knows no way from the mode to RGB (LAB, in older ones).
    """
    if image.mode.startswith("I;16"):
        return _grey(np.asarray(image), _SIXTEEN_BIT_SCALES)
    if image.mode in ("I", "F"):
        return _grey(np.asarray(image), _INTEGER_SCALES if image.mode == "I" else _FULL_SCALES)
    if _has_alpha(image):
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def _guess_full_scale(values: Num[np.ndarray, "height width"], scales: tuple[float, ...]) -> float:
    finite = values[np.isfinite(values)]
    brightest = float(finite.max()) if finite.size else 0.0
    return next((scale for scale in scales if brightest <= scale), brightest)


def _grey(values: Num[np.ndarray, "height width"], scales: tuple[float, ...]) -> Image.Image:
    full_scale = _guess_full_scale(values, scales)
    # NaN (a float TIFF's "no data") is black; infinity is as bright as can be.
    clean = np.nan_to_num(values.astype(np.float32), nan=0.0).clip(0, full_scale)
    eight_bit = np.rint(clean * (255.0 / full_scale)).astype(np.uint8)
    return Image.fromarray(eight_bit).convert("RGB")
