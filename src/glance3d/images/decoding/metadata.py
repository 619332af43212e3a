"""Metadata of a photo from EXIF.

Each tag that cannot be read is ``None``. Tags: Exif 2.32 (CIPA DC-008),
sections 4.6.4 to 4.6.6.
"""

import math
from datetime import datetime
from typing import Any

from PIL import ExifTags

from glance3d.images.decoding.projection import stated_projection
from glance3d.images.decoding.tags import PhotoTags, Tags
from glance3d.types import PhotoMetadata
from glance3d.types.images import FILM_DIAGONAL_MM

_MM_PER_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}  # inch (the default), cm, mm, micrometre
_FOCAL_35MM_RANGE = (3.0, 3000.0)  # from fisheye to telescope; beyond, a tag is damaged
_SENSOR_DIAGONAL_RANGE_MM = (1.0, 150.0)
_LONGEST_NAME = 200

_Base, _Gps = ExifTags.Base, ExifTags.GPS


def metadata_of(tags: PhotoTags, stored_size: tuple[int, int]) -> PhotoMetadata:
    """What a photo's tags state; ``stored_size`` is its (width, height) as it lies in the file."""
    latitude, longitude = _position(tags.gps)
    return PhotoMetadata(
        camera=_camera(tags.main, tags.photo),
        focal_35mm=_focal_35mm(tags.photo, stored_size),
        latitude=latitude,
        longitude=longitude,
        altitude=None if latitude is None else _altitude(tags.gps),
        taken=_taken(tags.main, tags.photo),
        projection=stated_projection(tags, stored_size),
    )


def _camera(main: Tags, photo: Tags) -> str | None:
    """Make, model and lens as one name; the make is not said twice."""
    make, model = _text(main.get(_Base.Make)), _text(main.get(_Base.Model))
    if make and model and model.lower().startswith(make.lower()):
        make = ""
    parts = [make, model, _text(photo.get(_Base.LensModel))]
    return " ".join(part for part in parts if part)[:_LONGEST_NAME] or None


def _focal_35mm(photo: Tags, stored_size: tuple[int, int]) -> float | None:
    stated = _number(photo.get(_Base.FocalLengthIn35mmFilm))
    focal = stated or _focal_from_sensor(photo, stored_size)
    if focal is None or not _FOCAL_35MM_RANGE[0] <= focal <= _FOCAL_35MM_RANGE[1]:
        return None
    return focal


def _focal_from_sensor(photo: Tags, stored_size: tuple[int, int]) -> float | None:
    """The true focal length, enlarged as the sensor would be to 35 mm film (same diagonal)."""
    focal = _number(photo.get(_Base.FocalLength))
    per_unit_x = _number(photo.get(_Base.FocalPlaneXResolution))
    per_unit_y = _number(photo.get(_Base.FocalPlaneYResolution)) or per_unit_x
    unit_mm = _MM_PER_UNIT.get(int(_number(photo.get(_Base.FocalPlaneResolutionUnit)) or 2))
    if not focal or not per_unit_x or not per_unit_y or unit_mm is None:
        return None
    # The sensor's pixels: a photo that was made smaller later may still say its first size here.
    first_size = (
        _number(photo.get(_Base.ExifImageWidth)) or 0,
        _number(photo.get(_Base.ExifImageHeight)) or 0,
    )
    width, height = max(first_size, stored_size, key=math.prod)
    diagonal = math.hypot(width / per_unit_x, height / per_unit_y) * unit_mm
    low, high = _SENSOR_DIAGONAL_RANGE_MM
    return focal * FILM_DIAGONAL_MM / diagonal if low <= diagonal <= high else None


def _position(gps: Tags) -> tuple[float, float] | tuple[None, None]:
    """Latitude and longitude in degrees, both or neither."""
    latitude = _degrees(gps.get(_Gps.GPSLatitude), gps.get(_Gps.GPSLatitudeRef), "NS", 90.0)
    longitude = _degrees(gps.get(_Gps.GPSLongitude), gps.get(_Gps.GPSLongitudeRef), "EW", 180.0)
    if latitude is None or longitude is None:
        return None, None
    # Zeros are what a receiver without a fix writes; hardly a photo is taken at that very place.
    return (None, None) if latitude == longitude == 0 else (latitude, longitude)


def _degrees(value: Any, reference: Any, letters: str, limit: float) -> float | None:
    """Degrees, minutes and seconds (or fewer of them) as one signed number."""
    parts = value if isinstance(value, tuple | list) else (value,)
    numbers = [_number(part) for part in parts[:3]]
    if not numbers or any(number is None for number in numbers):
        return None
    degrees = sum(abs(n) / 60**power for power, n in enumerate(numbers) if n is not None)
    first = numbers[0] or 0.0
    letter = _text(reference).upper()[:1]
    if letter and letter not in letters:
        return None
    negative = letter == letters[1] or first < 0
    return None if degrees > limit else -degrees if negative else degrees


def _altitude(gps: Tags) -> float | None:
    """Metres above sea level; the reference 1 is below it."""
    altitude = _number(gps.get(_Gps.GPSAltitude))
    if altitude is None or abs(altitude) > 1e5:
        return None
    reference = gps.get(_Gps.GPSAltitudeRef, 0)
    below = reference in (1, b"\x01", b"1", "1", "\x01", (1,), 3, b"\x03")
    return -altitude if below else altitude


def _taken(main: Tags, photo: Tags) -> str | None:
    """When, as ISO 8601: with a fraction of a second and a time zone where the file says them."""
    for clock, fraction, zone in (
        (photo.get(_Base.DateTimeOriginal), _Base.SubsecTimeOriginal, _Base.OffsetTimeOriginal),
        (photo.get(_Base.DateTimeDigitized), _Base.SubsecTimeDigitized, _Base.OffsetTimeDigitized),
        (main.get(_Base.DateTime), _Base.SubsecTime, _Base.OffsetTime),
    ):
        try:
            time = datetime.strptime(_text(clock)[:19], "%Y:%m:%d %H:%M:%S")
        except ValueError:
            continue
        digits = _text(photo.get(fraction))
        text = time.isoformat() + (f".{digits[:6]:0<3}" if digits.isdecimal() else "")
        return _with_zone(text, _text(photo.get(zone)))
    return None


def _with_zone(text: str, zone: str) -> str:
    try:
        datetime.fromisoformat(text + zone)
    except ValueError:
        return text
    return text + zone


def _text(value: Any) -> str:
    """A tag's text up to the first NUL, without what cannot be printed."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    return "".join(c for c in value.split("\0")[0] if c.isprintable() and c != "\ufffd").strip()


def _number(value: Any) -> float | None:
    """A tag's number, if it is a finite one."""
    if isinstance(value, tuple | list) and len(value) == 1:
        value = value[0]
    if value is None or isinstance(value, str | bytes):
        return None
    try:
        number = float(value)
    except (ArithmeticError, TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
