"""One photo to an upright 8-bit RGB picture, whatever the file; or one clear sentence why not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from glance3d.errors import ImageError, MissingExtraError
from glance3d.images.clips import read_frame, read_frame_header, split_frame
from glance3d.images.color import to_rgb
from glance3d.images.facts import facts_of
from glance3d.types import PhotoFacts

MIN_SIDE = 16
# Pillow's own limit (179 million) refuses photos that cameras and phones really make.
MAX_PHOTO_PIXELS = 400_000_000

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
# A TIFF reader would take a raw file's thumbnail for the photo.
_RAW_SUFFIXES = (".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".rw2", ".srw")
_ORIENTATION_TAG = 0x0112
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

Photo = Path | Image.Image


class _SizeLimit:
    """Pillow's size limit, which is a global, replaced by ours while any thread reads a photo."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_readers = 0
        self._before: int | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._num_readers == 0:
                self._before = Image.MAX_IMAGE_PIXELS
                Image.MAX_IMAGE_PIXELS = MAX_PHOTO_PIXELS
            self._num_readers += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._num_readers -= 1
            if self._num_readers == 0:
                Image.MAX_IMAGE_PIXELS = self._before


_OUR_LIMIT = _SizeLimit()


@dataclass(frozen=True)
class PhotoHeader:
    """What a photo says of itself before its pixels are decoded.

    ``size`` is the (width, height) of the upright photo; ``exif_orientation`` (1 to 8) how the
    stored pixels lie; ``facts`` how it was taken.
    """

    size: tuple[int, int]
    exif_orientation: int
    facts: PhotoFacts


def read_header(photo: Photo) -> PhotoHeader:
    """Size, orientation and facts of a photo, without decoding it.

    Raises:
        ImageError: not a photo, empty, smaller than 16 pixels on a side, or too large.
        MissingExtraError: a HEIC photo, and pillow-heif is not installed.
    """
    if isinstance(photo, Path) and split_frame(photo) is not None:
        size, facts = read_frame_header(photo)
        return PhotoHeader(size, 1, facts)
    with _opened(photo) as image:
        orientation = _orientation(image)
        return PhotoHeader(_upright_size(image, orientation), orientation, facts_of(image))


def read_facts(photo: str | Photo) -> PhotoFacts:
    """How a photo was taken, as far as its EXIF says it; damaged EXIF says less, or nothing.

    Raises:
        ImageError: the photo cannot be read at all.
        MissingExtraError: a HEIC photo, and pillow-heif is not installed.
    """
    return read_header(Path(photo) if isinstance(photo, str) else photo).facts


def open_upright(photo: str | Photo, *, at_least: tuple[int, int] | None = None) -> Image.Image:
    """The photo, or frame of a clip, as a person sees it: upright, RGB, 8 bits, alpha over white.

    With ``at_least`` (width, height) a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, which
    is much faster, as long as it stays that large and its sides divide evenly (so that the
    smaller picture shows exactly the same area).

    Raises:
        ImageError: the photo cannot be read; the message names the file and says why.
        MissingExtraError: a HEIC photo, and pillow-heif is not installed.
    """
    photo = Path(photo) if isinstance(photo, str) else photo
    with _opened(photo) as image:
        orientation = _orientation(image)
        if at_least is not None:
            _shrink_while_decoding(image, at_least[::-1] if orientation > 4 else at_least)
        image.load()
        # Asked again: Pillow turns a TIFF upright on loading, and then forgets the tag.
        pending = _orientation(image)
        upright = to_rgb(image)
    return turn_upright(upright, pending)


def open_as_stored(photo: Photo) -> tuple[Image.Image, int]:
    """The pixels as the file stores them, of whatever mode, and the EXIF orientation left to apply.

    Raises:
        ImageError: the image cannot be read; the message names the file and says why.
    """
    with _opened(photo) as image:
        image.load()
        return image.copy(), _orientation(image)


def turn_upright(image: Image.Image, exif_orientation: int) -> Image.Image:
    """Stored pixels as a person sees them."""
    if exif_orientation not in _UPRIGHT:
        return image
    return image.transpose(_UPRIGHT[exif_orientation])


@contextmanager
def _opened(photo: Photo) -> Iterator[Image.Image]:
    """The photo, opened and checked; whatever goes wrong inside becomes an ImageError."""
    name = photo.name if isinstance(photo, Path) else "the image"
    try:
        if isinstance(photo, Path) and split_frame(photo) is not None:
            yield _checked(read_frame(photo), name)
        elif isinstance(photo, Path):
            with _OUR_LIMIT, photo.open("rb") as file, _identify(file, photo) as image:
                yield _checked(image, name)
        else:
            yield _checked(photo, name)
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name} is not a photo: its content is none of {', '.join(_FORMATS)}, HEIF"
        ) from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name} is larger than can be decoded: {error}") from error
    except MemoryError as error:
        raise ImageError(f"{name} does not fit in memory: make it smaller") from error
    except OSError as error:
        reason = error.strerror or str(error)  # strerror: the file system's, otherwise Pillow's
        raise ImageError(f"{name} cannot be read, it may be cut short: {reason}") from error
    except (SyntaxError, ValueError, EOFError, IndexError, KeyError, RuntimeError) as error:
        # What Pillow's plugins raise on damaged content, or on a mode with no way to RGB.
        raise ImageError(f"{name} cannot be decoded, it may be damaged: {error}") from error


def _identify(file: Any, path: Path) -> Image.Image:
    start = file.read(12)
    if not start:
        raise ImageError(f"{path.name} is empty (0 bytes): copy it again")
    if path.suffix.lower() in _RAW_SUFFIXES:
        raise ImageError(f"{path.name} is a camera's raw file: develop it to JPEG, PNG or TIFF")
    formats = _FORMATS
    if start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS:
        _register_heif(path.name)
        formats = ("HEIF",)
    return Image.open(file, formats=formats)


def _register_heif(name: str) -> None:
    try:
        import pillow_heif
    except ImportError as error:
        raise MissingExtraError(f"reading the HEIC photo {name}", "pillow-heif", "heif") from error
    pillow_heif.register_heif_opener()


def _checked(image: Image.Image, name: str) -> Image.Image:
    width, height = image.size
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"{name} is {width}x{height} pixels: a photo needs at least {MIN_SIDE} on each side"
        )
    if width * height > MAX_PHOTO_PIXELS:
        raise ImageError(
            f"{name} is {width}x{height} pixels ({width * height / 1e6:.0f} million): make it "
            f"smaller, at most {MAX_PHOTO_PIXELS // 10**6} million are read"
        )
    return image


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    except (SyntaxError, ValueError, OSError, EOFError, TypeError, KeyError):
        return 1  # damaged EXIF is no reason to lose a photo
    # HEIC photos are turned by their decoder, which leaves 1 here.
    return orientation if orientation in _UPRIGHT else 1


def _upright_size(image: Image.Image, orientation: int) -> tuple[int, int]:
    # Pillow gives a TIFF's size upright already.
    if orientation > 4 and image.format != "TIFF":
        return image.size[1], image.size[0]
    return image.size


def _shrink_while_decoding(image: Image.Image, at_least: tuple[int, int]) -> None:
    if image.format not in ("JPEG", "MPO"):
        return
    width, height = image.size
    for factor in (8, 4, 2):
        smaller = width // factor, height // factor
        divides = width % factor == 0 and height % factor == 0
        if divides and smaller[0] >= at_least[0] and smaller[1] >= at_least[1]:
            image.draft(None, smaller)
            return
