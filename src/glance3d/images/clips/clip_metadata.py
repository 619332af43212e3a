"""Metadata of a clip from its container.

Sources: ISO 6709 positions in ``location`` (Android) and Apple's QuickTime metadata keys.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from glance3d.types import PhotoMetadata

_POSITION = re.compile(r"([+-]\d{1,2}\.\d+)([+-]\d{1,3}\.\d+)([+-]\d+(?:\.\d+)?)?")
_NEVER = 1971  # cameras without a clock write years before this: 1904 or 1970


def clip_metadata(path: Path, container: Mapping[str, str]) -> PhotoMetadata:
    """Of a clip's beginning; ``container`` are the tags of its container.

    Every clip counts as a camera of its own: its frames share a lens, but zoom, crop and
    stabilisation differ between clips, and from the same phone's photos. The focal length is not
    read, because it is that of photos.
    """
    tags = {key.lower(): value for key, value in container.items()}
    make, model = (_first(tags, key) for key in ("make", "model"))
    device = " ".join(word for word in (make, model) if word)
    latitude, longitude, altitude = _position(tags)
    return PhotoMetadata(
        camera=f"{device} filming {path.name}" if device else f"the camera of {path.name}",
        latitude=latitude,
        longitude=longitude,
        altitude=altitude,
        taken=_begun(tags),
    )


def later(taken: str | None, seconds: float) -> str | None:
    """An ISO 8601 time, so many seconds later."""
    if taken is None:
        return None
    time = datetime.fromisoformat(taken) + timedelta(seconds=seconds)
    return time.isoformat(timespec="milliseconds")


def _first(tags: Mapping[str, str], key: str) -> str:
    for name in (f"com.apple.quicktime.{key}", f"com.android.{key}", key):
        if tags.get(name):
            return " ".join(tags[name].split())[:100]
    return ""


def _position(tags: Mapping[str, str]) -> tuple[float | None, float | None, float | None]:
    for key in ("com.apple.quicktime.location.iso6709", "location", "location-eng"):
        match = _POSITION.match(tags.get(key, ""))
        if match is None:
            continue
        latitude, longitude = float(match[1]), float(match[2])
        if abs(latitude) <= 90 and abs(longitude) <= 180 and (latitude, longitude) != (0, 0):
            return latitude, longitude, float(match[3]) if match[3] else None
    return None, None, None


def _begun(tags: Mapping[str, str]) -> str | None:
    for key in ("com.apple.quicktime.creationdate", "creation_time"):
        try:
            time = datetime.fromisoformat(tags.get(key, ""))
        except ValueError:
            continue
        if time.year >= _NEVER:
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).isoformat()
    return None
