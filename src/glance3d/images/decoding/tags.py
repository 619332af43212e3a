"""The tags in a photo's file: EXIF and XMP.

Many programs write them, and many damage them: each tag that cannot be read is left out, and the
photo is used anyway.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import ExifTags, Image

from glance3d.images.files.decoders import DECODER_ERRORS

_XMP_KEYS = ("xmp", "XML:com.adobe.xmp", "XML:XMP")
_TIFF_XMP_TAG = 700
_LONGEST_XMP = 4 * 2**20

Tags = Mapping[int, Any]


@dataclass(frozen=True)
class PhotoTags:
    """The readable tags of the main directory, of EXIF's own and of GPS, and XMP as text.

    ``is_damaged``: some of EXIF was there and could not be read.
    """

    main: Tags = field(default_factory=dict)
    photo: Tags = field(default_factory=dict)
    gps: Tags = field(default_factory=dict)
    xmp: str = ""
    is_damaged: bool = False


def read_tags(image: Image.Image) -> PhotoTags:
    """The tags of an opened picture; it need not be decoded yet."""
    main, main_damaged = _tags_of(image, None)
    photo, photo_damaged = _tags_of(image, ExifTags.IFD.Exif)
    gps, gps_damaged = _tags_of(image, ExifTags.IFD.GPSInfo)
    is_empty = bool(image.info.get("exif")) and not main
    damaged = is_empty or main_damaged or photo_damaged or gps_damaged
    return PhotoTags(main, photo, gps, _xmp_of(image), damaged)


def orientation_of(image: Image.Image) -> int:
    """EXIF's orientation, 1 to 8; 1 where it is missing or invalid."""
    tags, _ = _tags_of(image, None)
    orientation = tags.get(ExifTags.Base.Orientation, 1)
    # HEIC photos are turned by their decoder, which leaves 1 here.
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def upright_exif(image: Image.Image) -> bytes:
    """The EXIF of a picture, for its upright pixels; nothing, where it cannot be written again."""
    try:
        exif = image.getexif()
        exif[ExifTags.Base.Orientation] = 1
        return exif.tobytes()
    except DECODER_ERRORS:
        return b""


def _tags_of(image: Image.Image, folder: int | None) -> tuple[Tags, bool]:
    """The readable tags of the main directory or of one below it, and whether any were not."""
    try:
        exif = image.getexif()
        directory = exif if folder is None else exif.get_ifd(folder)
        tags = list(directory)
    except DECODER_ERRORS:
        return {}, True
    readable = {}
    for tag in tags:
        try:
            readable[tag] = directory[tag]
        except DECODER_ERRORS:
            continue
    return readable, len(readable) < len(tags)


def _xmp_of(image: Image.Image) -> str:
    """XMP as text, not parsed: what is looked for in it stands there literally."""
    value = next((image.info[key] for key in _XMP_KEYS if image.info.get(key)), None)
    if value is None:
        value = getattr(image, "tag_v2", {}).get(_TIFF_XMP_TAG)
    if isinstance(value, bytes):
        return value[:_LONGEST_XMP].decode("utf-8", "replace")
    return value[:_LONGEST_XMP] if isinstance(value, str) else ""
