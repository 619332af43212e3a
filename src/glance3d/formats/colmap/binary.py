"""``cameras.bin`` and ``images.bin`` of a COLMAP model, read from front to back.

Points are jumped over, so that a file of gigabytes costs no memory, and what a file announces is
held against its length before it is believed.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from glance3d.errors import CamerasError
from glance3d.formats.colmap.records import (
    MODELS,
    ColmapCamera,
    ColmapImage,
    Oddities,
    build_image,
)

_CAMERA_BYTES = 24 + 2 * 8  # of the smallest camera
_IMAGE_BYTES = 64 + 1 + 8  # of a photo without name or points
_POINT_BYTES = 24
_LONGEST_NAME = 4096


@dataclass
class _Records:
    """A file of records and how much of it is left."""

    file: BinaryIO
    name: str
    size: int

    @property
    def left(self) -> int:
        return self.size - self.file.tell()

    def take(self, layout: str) -> tuple[Any, ...]:
        layout = "<" + layout
        content = self.file.read(struct.calcsize(layout))
        if len(content) < struct.calcsize(layout):
            raise CamerasError(f"{self.name} is cut short, at byte {self.size}")
        return struct.unpack(layout, content)

    def take_count(self, what: str, smallest: int) -> int:
        """How many records of at least so many bytes follow."""
        count: int = self.take("Q")[0]
        if count * smallest > self.left:
            raise CamerasError(
                f"{self.name} announces {count} {what}, for which its {self.size} bytes are too few"
            )
        return count

    def take_text(self) -> str:
        text = bytearray()
        while byte := self.file.read(1):
            if byte == b"\0":
                return text.decode("utf-8", "surrogateescape")
            text += byte
            if len(text) > _LONGEST_NAME:
                raise CamerasError(f"{self.name} holds a name of more than {_LONGEST_NAME} bytes")
        raise CamerasError(f"{self.name} is cut short, within a name")

    def skip(self, num_bytes: int) -> None:
        self.file.seek(num_bytes, 1)


def read_binary_cameras(path: Path, oddities: Oddities) -> dict[int, ColmapCamera]:
    """Each camera by its number; those whose numbers are no camera's go to ``oddities``."""
    cameras = {}
    with _records(path) as records:
        for _ in range(records.take_count("cameras", _CAMERA_BYTES)):
            camera_id, model, width, height = records.take("IiQQ")
            if model not in MODELS:  # nobody knows where the next camera begins
                raise CamerasError(
                    f"{path} has a camera of the model {model}; known are 0 to {max(MODELS)}"
                )
            name, count = MODELS[model]
            camera = ColmapCamera(name, (width, height), records.take(f"{count}d"))
            try:
                camera.lens()
                cameras[camera_id] = camera
            except CamerasError as error:
                oddities.add(f"camera {camera_id} of {path.name}", str(error))
        _note_rest(records, path, oddities)
    return cameras


def read_binary_images(path: Path, oddities: Oddities) -> list[ColmapImage]:
    """Every photo's pose; those that are no poses go to ``oddities``."""
    images = []
    with _records(path) as records:
        for _ in range(records.take_count("photos", _IMAGE_BYTES)):
            image_id, *pose, camera_id = records.take("I7dI")
            name = records.take_text()
            records.skip(_POINT_BYTES * records.take_count("points", _POINT_BYTES))
            try:
                images.append(build_image(name, camera_id, pose))
            except CamerasError as error:
                oddities.add(f"photo {image_id} of {path.name}", str(error))
        _note_rest(records, path, oddities)
    return images


@contextmanager
def _records(path: Path) -> Iterator[_Records]:
    try:
        with path.open("rb") as file:
            yield _Records(file, str(path), path.stat().st_size)
    except OSError as error:
        raise CamerasError(f"{path} cannot be read: {error.strerror or error}") from error


def _note_rest(records: _Records, path: Path, oddities: Oddities) -> None:
    if records.left > 0:
        oddities.add(f"{records.left} bytes of {path.name}", "after the last record")
