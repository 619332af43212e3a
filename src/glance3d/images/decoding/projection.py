"""Detect photos without a pinhole projection, by their metadata or their content.

Names: ``"equirectangular"`` and ``"cylindrical"`` panoramas, ``"fisheye"``, or another value of
XMP's ``GPano:ProjectionType``. Sources: Google's Photo Sphere XMP metadata; Apple's value
6 of EXIF's CustomRendered.
"""

import re

import numpy as np
from jaxtyping import Float
from PIL import ExifTags, Image

from glance3d.images.decoding.tags import PhotoTags

_TYPE = re.compile(r"GPano:ProjectionType\s*(?:=\s*[\"']|>)\s*([A-Za-z][\w-]{2,30})")
_IS_PANORAMA = re.compile(r"GPano:(?:FullPanoWidthPixels|UsePanoramaViewer\W{1,6}True)")
_FISHEYE = re.compile(r"fish-?\s?eye", re.IGNORECASE)
_LENS_IN_XMP = re.compile(r"aux:Lens\s*(?:=\s*[\"']|>)([^\"'<]{0,100})")
_SPHERE_MAKERS = re.compile(
    r"ricoh theta|insta360|arashi vision|gopro max|gear 360|sm-[cr]2[01]0|lg-r105|kandao|qoocam"
    r"|madventure|mi sphere|vuze|panono|nctech|labpano|yi vr",
    re.IGNORECASE,
)
_APPLE_PANORAMA = 6
_PLAIN = ("rectilinear", "perspective", "planar")

# How a picture is tested for content that continues from its right edge to its left one.
_LOOK = (256, 128)
_LEAST_DETAIL = 1.5  # grey levels between neighbours along the edges: less is sky, or a backdrop
_SEAM = 1.6  # times what neighbouring columns differ by
_POLE = 0.25  # of the variation along the picture's middle


def stated_projection(tags: PhotoTags, size: tuple[int, int]) -> str | None:
    """What a file's tags say, for stored pixels of this (width, height); None for a pinhole's."""
    stated = _TYPE.search(tags.xmp)
    if stated is not None:
        name = stated[1].lower()
        return None if name in _PLAIN else name
    if _IS_PANORAMA.search(tags.xmp):
        return "equirectangular"
    make, model = (tags.main.get(t) for t in (ExifTags.Base.Make, ExifTags.Base.Model))
    lens_in_xmp = _LENS_IN_XMP.search(tags.xmp)
    lens = f"{tags.photo.get(ExifTags.Base.LensModel)} {lens_in_xmp and lens_in_xmp[1]}"
    if _FISHEYE.search(f"{model} {lens}"):
        return "fisheye"
    if is_twice_as_wide(size) and _SPHERE_MAKERS.search(f"{make} {model}"):
        return "equirectangular"
    custom = tags.photo.get(ExifTags.Base.CustomRendered)
    return "cylindrical" if custom == _APPLE_PANORAMA and make == "Apple" else None


def is_twice_as_wide(size: tuple[int, int]) -> bool:
    """Whether a picture has the shape of a whole sphere, 360 by 180 degrees."""
    width, height = size
    return abs(width - 2 * height) <= max(2, width // 500)


def shows_whole_sphere(picture: Image.Image) -> bool:
    """Whether the content of a picture twice as wide as high continues across its vertical edges.

    A panorama has no seam between the edges, though there is detail along them, and one colour at
    the top or bottom, since that whole row is one direction.
    """
    if not is_twice_as_wide(picture.size):
        return False
    grey = np.asarray(picture.convert("L").resize(_LOOK, Image.Resampling.BOX), np.float32)
    edge = grey[:, [0, -1]]
    detail = float(np.abs(np.diff(edge, axis=0)).mean())
    seam = float(np.abs(grey[:, 0] - grey[:, -1]).mean())
    beside = float(np.abs(np.diff(grey, axis=1)).mean())
    near = max(_difference(grey, 0), _difference(grey, -2), 0.25 * beside)
    middle = float(grey[len(grey) // 4 : -len(grey) // 4].std(1).mean())
    pole = min(float(grey[0].std()), float(grey[-1].std()))
    return detail >= _LEAST_DETAIL and seam <= _SEAM * near and pole <= _POLE * middle


def _difference(grey: Float[np.ndarray, "height width"], column: int) -> float:
    """The mean difference between a column and the next."""
    return float(np.abs(grey[:, column] - grey[:, column + 1]).mean())
