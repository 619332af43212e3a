"""Decode any photo to an upright 8-bit RGB image, or fail with one clear sentence."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from glance3d.images.clips import read_frame, read_frame_header, split_frame
from glance3d.images.decoding.color import to_rgb
from glance3d.images.decoding.metadata import metadata_of
from glance3d.images.decoding.tags import orientation_of, read_tags, upright_exif
from glance3d.images.files.decoders import DECODER_ERRORS, MIN_SIDE, opened_picture
from glance3d.types import PhotoMetadata

# What makes the stored pixels upright, by EXIF orientation.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_FIRST_OF_SEVERAL = "only the first of several pictures in one file is used"
# What else a JPEG of phones (MPO) or a HEIC holds are previews and maps of the same photo.
_SERIES = ("GIF", "WEBP", "PNG", "TIFF", "AVIF")

Photo = Path | Image.Image


@dataclass(frozen=True)
class PhotoHeader:
    """Size and metadata of a photo, read before its pixels are decoded.

    ``size`` is the (width, height) of the upright photo; ``exif_orientation`` (1 to 8) how the
    stored pixels lie; ``metadata`` how it was taken; ``format`` and ``mode`` are Pillow's, of the
    file. ``notes`` say what was wrong with it, or left out, though it can be used.
    """

    size: tuple[int, int]
    exif_orientation: int
    metadata: PhotoMetadata
    format: str | None = None
    mode: str = "RGB"
    notes: tuple[str, ...] = ()


def read_header(photo: Photo) -> PhotoHeader:
    """Size, orientation and metadata of a photo, without decoding it.

    Raises:
        ImageError: not a photo, empty, smaller than 16 pixels on a side, or too large.
        MissingExtraError: a HEIC photo, and pillow-heif is not installed.
    """
    if isinstance(photo, Path) and split_frame(photo) is not None:
        size, metadata = read_frame_header(photo)
        return PhotoHeader(size, 1, metadata)
    with _opened(photo) as image:
        tags, orientation = read_tags(image), orientation_of(image)
        return PhotoHeader(
            _upright_size(image, orientation),
            orientation,
            metadata_of(tags, image.size),
            image.format,
            image.mode,
            (
                *(["damaged EXIF was read only in part"] if tags.is_damaged else []),
                *([_FIRST_OF_SEVERAL] if _has_further_pictures(image) else []),
            ),
        )


def read_metadata(photo: str | Photo) -> PhotoMetadata:
    """How a photo was taken, as far as its EXIF says it; damaged EXIF says less, or nothing.

    Raises:
        ImageError: the photo cannot be read at all.
        MissingExtraError: a HEIC photo, and pillow-heif is not installed.
    """
    return read_header(Path(photo) if isinstance(photo, str) else photo).metadata


def open_upright(photo: str | Photo, *, at_least: tuple[int, int] | None = None) -> Image.Image:
    """The photo, or frame of a clip, as a person sees it: upright, RGB, 8 bits, alpha over white.

    With ``at_least`` (width, height) a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, which
    is much faster, as long as it stays that large and its sides divide evenly (so that the
    smaller picture shows exactly the same area).

    Raises:
        ImageError: the photo cannot be read; the message names the file and says why.
        MissingExtraError: a HEIC photo, and pillow-heif is not installed.
    """
    rgb, pending = _decoded(Path(photo) if isinstance(photo, str) else photo, at_least)
    return turn_upright(rgb, pending)


def _decoded(photo: Photo, at_least: tuple[int, int] | None) -> tuple[Image.Image, int]:
    """The pixels as RGB, and the EXIF orientation left to apply; what was stored is let go."""
    with _opened(photo) as image:
        orientation = orientation_of(image)
        if at_least is not None:
            _shrink_while_decoding(image, at_least[::-1] if orientation > 4 else at_least)
        image.load()
        # Asked again: Pillow turns a TIFF upright on loading, and then forgets the tag.
        pending = orientation_of(image)
        return to_rgb(image), pending


def open_as_stored(photo: Photo, *, min_side: int = MIN_SIDE) -> tuple[Image.Image, int]:
    """The pixels as the file stores them, of whatever mode, and the EXIF orientation left to apply.

    Raises:
        ImageError: the image cannot be read, or is smaller than ``min_side`` on a side; the message
            names the file and says why.
    """
    with _opened(photo, min_side) as image:
        image.load()
        stored = image.copy()
        stored.format = image.format  # which a copy forgets
        return stored, orientation_of(image)


def exif_when_upright(photo: Photo) -> bytes:
    """The EXIF of a photo's file, as it is right for :func:`open_upright`; raises as that does."""
    with _opened(photo) as image:
        return upright_exif(image)


def turn_upright(image: Image.Image, exif_orientation: int) -> Image.Image:
    """Stored pixels as a person sees them."""
    if exif_orientation not in _UPRIGHT:
        return image
    return image.transpose(_UPRIGHT[exif_orientation])


@contextmanager
def _opened(photo: Photo, min_side: int = MIN_SIDE) -> Iterator[Image.Image]:
    """The photo, or frame of a clip, opened and checked."""
    if isinstance(photo, Path) and split_frame(photo) is not None:
        photo = read_frame(photo)
    with opened_picture(photo, min_side=min_side) as image:
        yield image


def _has_further_pictures(image: Image.Image) -> bool:
    """Whether a file is an animation, or has several pages."""
    if image.format not in _SERIES:
        return False
    with suppress(DECODER_ERRORS):  # a damaged second picture is no reason to lose the first
        return bool(getattr(image, "is_animated", False))
    return False


def _upright_size(image: Image.Image, orientation: int) -> tuple[int, int]:
    # Pillow gives a TIFF's size upright already.
    if orientation > 4 and image.format != "TIFF":
        return image.size[1], image.size[0]
    return image.size


def decoded_size(size: tuple[int, int], at_least: tuple[int, int]) -> tuple[int, int]:
    """(width, height) that a JPEG of this size is decoded at, to be at least so large."""
    for factor in (8, 4, 2):
        smaller = size[0] // factor, size[1] // factor
        divides = size[0] % factor == 0 and size[1] % factor == 0
        if divides and smaller[0] >= at_least[0] and smaller[1] >= at_least[1]:
            return smaller
    return size


def _shrink_while_decoding(image: Image.Image, at_least: tuple[int, int]) -> None:
    smaller = decoded_size(image.size, at_least)
    if image.format in ("JPEG", "MPO") and smaller != image.size:
        image.draft(None, smaller)
