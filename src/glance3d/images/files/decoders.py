"""Open image files, and turn all errors of decoders into ``ImageError``.

Every file of a photo, copy, mask, depth map or texture is opened by :func:`opened_picture`, so that
one limit of pixels holds for all of them and nothing is waited for.
"""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image, JpegImagePlugin, UnidentifiedImageError, features

from glance3d.errors import Glance3DError, ImageError, MissingExtraError
from glance3d.files.regular_file import regular_file
from glance3d.images.files.file_kinds import RAW_SUFFIXES, is_avif, is_heif

#: A photo's shortest side.
MIN_SIDE = 16
#: Pillow's own limit (179 million) refuses photos that cameras and phones really make.
MAX_PHOTO_PIXELS = 400_000_000
#: A photo's longest side: copies and previews are JPEG, which holds no more.
MAX_SIDE = 65_500
#: Decoders raise whatever their code runs into on damaged content: struct.error, TypeError,
#: SyntaxError, OverflowError ... A list of them would always be too short.
DECODER_ERRORS = Exception

EXPORT_RAW = "export it as JPEG or TIFF first"
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM", "GIF")
_DNG_VERSION_TAG = 50706


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Whatever a decoder raises in the block becomes an ImageError that names the file."""
    try:
        yield
    except Glance3DError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name} is not a photo: its content is none of {', '.join(_FORMATS)}, HEIF, AVIF"
        ) from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name} is larger than can be decoded: {error}") from error
    except MemoryError as error:
        raise ImageError(f"{name} does not fit in memory: make it smaller") from error
    except OSError as error:
        reason = error.strerror or str(error)  # strerror: the file system's, otherwise Pillow's
        raise ImageError(f"{name} cannot be read, it may be cut short: {reason}") from error
    except DECODER_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise ImageError(f"{name} cannot be decoded, it may be damaged: {reason}") from error


@contextmanager
def opened_picture(
    picture: Path | Image.Image, *, min_side: int = MIN_SIDE
) -> Iterator[Image.Image]:
    """A picture's file, opened but not decoded; whatever goes wrong inside becomes an ImageError.

    Raises:
        ImageError: no file, no picture, smaller than ``min_side`` on a side, or above the limit of
            pixels; or the block could not decode it.
        MissingExtraError: a HEIC photo, and pillow-heif is not installed.
    """
    if isinstance(picture, Image.Image):
        with decoding("the image"):
            yield _checked(picture, "the image", min_side)
        return
    name = picture.name
    regular_file(picture, error=ImageError)
    with decoding(name), _OUR_LIMIT, picture.open("rb") as file, _identify(file, picture) as image:
        yield _checked(image, name, min_side)


def check_size(size: tuple[int, int], name: str, min_side: int = MIN_SIDE) -> None:
    """Raise ImageError for a picture that is too small to show anything, or too large to decode."""
    width, height = size
    if min(width, height) < min_side:
        raise ImageError(
            f"{name} is {width}x{height} pixels: a photo needs at least {min_side} on each side"
        )
    if max(width, height) > MAX_SIDE:
        raise ImageError(
            f"{name} is {width}x{height} pixels: make it smaller, at most {MAX_SIDE} on a side are "
            "read"
        )
    if width * height > MAX_PHOTO_PIXELS:
        raise ImageError(
            f"{name} is {width}x{height} pixels ({width * height / 1e6:.0f} million): make it "
            f"smaller, at most {MAX_PHOTO_PIXELS // 10**6} million are read"
        )


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


def _checked(image: Image.Image, name: str, min_side: int) -> Image.Image:
    check_size(image.size, name, min_side)
    # A raw file may be called .tif; what a TIFF reader takes out of it is its thumbnail.
    if image.format == "TIFF" and _DNG_VERSION_TAG in getattr(image, "tag_v2", {}):
        raise ImageError(f"{name} is a camera's raw file (DNG): {EXPORT_RAW}")
    return image


def _identify(file: BinaryIO, path: Path) -> Image.Image:
    start = file.read(256)
    if path.suffix.lower() in RAW_SUFFIXES:
        raise ImageError(f"{path.name} is a camera's raw file: {EXPORT_RAW}")
    if is_avif(start):
        return _open_avif(file, path.name)
    if is_heif(start):
        _register_heif(path.name)
        return Image.open(file, formats=("HEIF",))
    try:
        return Image.open(file, formats=_FORMATS)
    except DECODER_ERRORS:
        if not start.startswith(b"\xff\xd8\xff"):
            raise
        # Damaged tables of further pictures within the file (MPO) are no reason to lose this one.
        file.seek(0)
        return JpegImagePlugin.JpegImageFile(file)


def _register_heif(name: str) -> None:
    try:
        import pillow_heif
    except ImportError as error:
        raise MissingExtraError(f"reading the HEIC photo {name}", "pillow-heif", "heif") from error
    pillow_heif.register_heif_opener()


def _open_avif(file: BinaryIO, name: str) -> Image.Image:
    if not features.check("avif"):
        raise ImageError(
            f"{name} is AVIF, which this Pillow cannot read: install a newer one (pip install -U "
            "pillow), or export the photo as JPEG"
        )
    try:
        return Image.open(file, formats=("AVIF",))
    except DECODER_ERRORS:
        # The decoder gives up a picture whose EXIF is damaged: with that item called otherwise, it
        # passes it over.
        file.seek(0)
        without = file.read().replace(b"Exif", b"skip")
        return Image.open(io.BytesIO(without), formats=("AVIF",))
