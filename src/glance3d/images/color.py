"""Any Pillow mode to 8-bit RGB, without clipping what has more than 8 bits.

Colours are taken as they are stored: embedded colour profiles are not applied, as in the published
preprocessing.
"""

import numpy as np
from jaxtyping import Num
from PIL import Image

# What the brightest value of a picture may mean, where the file does not say.
_FULL_SCALES = (1.0, 255.0, 65535.0)


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture as 8-bit RGB: alpha composited over white, deep greyscale scaled down.

    16-bit greyscale is divided by 257 (its declared range). 32-bit integers and floats declare no
    range: 1, 255 or 65535, whichever is the first that holds the brightest pixel, is white; above
    that the brightest pixel itself is.

    Raises:
        ValueError: this Pillow knows no way from the mode to RGB (LAB, in older ones).
    """
    if image.mode.startswith("I;16"):
        return _grey(np.asarray(image), full_scale=65535.0)
    if image.mode in ("I", "F"):
        values = np.asarray(image)
        return _grey(values, full_scale=_guess_full_scale(values))
    if _has_alpha(image):
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def _guess_full_scale(values: Num[np.ndarray, "height width"]) -> float:
    finite = values[np.isfinite(values)]
    brightest = float(finite.max()) if finite.size else 0.0
    return next((scale for scale in _FULL_SCALES if brightest <= scale), brightest)


def _grey(values: Num[np.ndarray, "height width"], full_scale: float) -> Image.Image:
    # NaN (a float TIFF's "no data") is black; infinity is as bright as can be.
    clean = np.nan_to_num(values.astype(np.float32), nan=0.0).clip(0, full_scale)
    eight_bit = np.rint(clean * (255.0 / full_scale)).astype(np.uint8)
    return Image.fromarray(eight_bit).convert("RGB")
