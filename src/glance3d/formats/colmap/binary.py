"""``cameras.bin``, ``images.bin`` and ``points3D.bin`` of a COLMAP model.

Counts in a file are checked against its length before they are used. If only cameras and poses are
read, points are skipped, so that a file of gigabytes costs no memory.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from glance3d.errors import CamerasError
from glance3d.files.atomic import save_bytes
from glance3d.formats.colmap.camera_models import MODEL_NUMBERS, MODELS
from glance3d.formats.colmap.records import (
    ColmapCamera,
    ColmapImage,
    ColmapModel,
    ColmapPoints2D,
    ColmapPoints3D,
)
from glance3d.formats.colmap.skipped_records import SkippedRecords

WRITTEN_FILES = ("cameras.bin", "images.bin", "points3D.bin")
_CAMERA_BYTES = 24 + 2 * 8  # of the smallest camera
_IMAGE_BYTES = 64 + 1 + 8  # of a photo without name or points
_LONGEST_NAME = 4096
_POINT_2D = np.dtype([("xy", "<f8", 2), ("point3d_id", "<i8")])
_POINT_3D = np.dtype(
    [
        ("id", "<u8"),
        ("xyz", "<f8", 3),
        ("color", "u1", 3),
        ("error", "<f8"),
        ("track_length", "<u8"),
    ]
)
_TRACK_ELEMENT = np.dtype([("image_id", "<u4"), ("point2d_index", "<u4")])


def read_binary_cameras(path: Path, skipped: SkippedRecords) -> dict[int, ColmapCamera]:
    """Each camera by its number; those whose numbers are no camera's go to ``skipped``."""
    cameras = {}
    with _open_records(path) as records:
        for camera_id, camera in _camera_records(records):
            try:
                camera.lens()
                cameras[camera_id] = camera
            except CamerasError as error:
                skipped.add(f"camera {camera_id} of {path.name}", str(error))
        if records.num_unread > 0:
            skipped.add(f"{records.num_unread} bytes of {path.name}", "after the last record")
    return cameras


def read_binary_images(path: Path, skipped: SkippedRecords) -> list[ColmapImage]:
    """Every photo's pose, without 2-D points; those that are no poses go to ``skipped``."""
    images = []
    with _open_records(path) as records:
        for image in _image_records(records, with_points=False):
            try:
                image.cam_from_world()
                images.append(image)
            except CamerasError as error:
                skipped.add(f"photo {image.image_id} of {path.name}", str(error))
        if records.num_unread > 0:
            skipped.add(f"{records.num_unread} bytes of {path.name}", "after the last record")
    return images


def read_binary_model(folder: Path) -> ColmapModel:
    """The three files as they are, with all points; what the numbers mean is not judged.

    Raises:
        CamerasError: a file does not hold what it announces.
    """
    with _open_records(folder / "cameras.bin") as records:
        cameras = dict(_camera_records(records))
        records.refuse_more()
    with _open_records(folder / "images.bin") as records:
        images = {image.image_id: image for image in _image_records(records, with_points=True)}
        records.refuse_more()
    return ColmapModel(cameras, images, _read_points(folder / "points3D.bin"))


def write_binary_model(folder: Path, model: ColmapModel) -> list[Path]:
    """Write the three files of a model into ``folder``."""
    contents = _encode_cameras(model), _encode_images(model), _encode_points(model.points)
    return [
        save_bytes(folder / name, content)
        for name, content in zip(WRITTEN_FILES, contents, strict=True)
    ]


@dataclass
class _Records:
    """A file of records and how much of it is not read yet."""

    file: BinaryIO
    name: str
    size: int

    @property
    def num_unread(self) -> int:
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
        if count * smallest > self.num_unread:
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

    def take_array(self, dtype: np.dtype, count: int) -> np.ndarray:
        return np.frombuffer(self.file.read(dtype.itemsize * count), dtype, count)

    def skip(self, num_bytes: int) -> None:
        self.file.seek(num_bytes, 1)

    def refuse_more(self) -> None:
        if self.num_unread > 0:
            raise CamerasError(f"{self.name} has {self.num_unread} bytes after the last record")


@contextmanager
def _open_records(path: Path) -> Iterator[_Records]:
    try:
        with path.open("rb") as file:
            yield _Records(file, str(path), path.stat().st_size)
    except OSError as error:
        raise CamerasError(f"{path} cannot be read: {error.strerror or error}") from error


def _camera_records(records: _Records) -> Iterator[tuple[int, ColmapCamera]]:
    for _ in range(records.take_count("cameras", _CAMERA_BYTES)):
        camera_id, model, width, height = records.take("IiQQ")
        if model not in MODELS:  # nobody knows where the next camera begins
            raise CamerasError(
                f"{records.name} has a camera of the model {model}; known are 0 to {max(MODELS)}"
            )
        name, count = MODELS[model]
        yield camera_id, ColmapCamera(name, (width, height), records.take(f"{count}d"))


def _image_records(records: _Records, *, with_points: bool) -> Iterator[ColmapImage]:
    for _ in range(records.take_count("photos", _IMAGE_BYTES)):
        image_id, *pose, camera_id = records.take("I7dI")
        name = records.take_text()
        num_points = records.take_count("points", _POINT_2D.itemsize)
        points2d = None
        if with_points:
            array = records.take_array(_POINT_2D, num_points)
            points2d = ColmapPoints2D(array["xy"], array["point3d_id"])
        else:
            records.skip(_POINT_2D.itemsize * num_points)
        yield ColmapImage(image_id, name, camera_id, tuple(pose[:4]), tuple(pose[4:]), points2d)


def _read_points(path: Path) -> ColmapPoints3D:
    """Records of unequal length: their places first, then all at once."""
    with _open_records(path) as records:
        num_points = records.take_count("points", _POINT_3D.itemsize)
        content = records.file.read()
    starts, lengths = np.zeros(num_points, np.int64), np.zeros(num_points, np.int64)
    position = 0
    for index in range(num_points):
        starts[index] = position
        position += _POINT_3D.itemsize
        if position > len(content):
            break
        (length,) = struct.unpack_from("<Q", content, position - 8)
        # A track that is longer than the file is found below; a position stays a small number.
        lengths[index] = min(length, len(content))
        position += _TRACK_ELEMENT.itemsize * int(lengths[index])
    if position != len(content):
        raise CamerasError(f"{path} has {len(content)} bytes of points, announced are {position}")
    data = np.frombuffer(content, np.uint8)
    heads = data[starts[:, None] + np.arange(_POINT_3D.itemsize)].view(_POINT_3D)[:, 0]
    points = np.repeat(np.arange(num_points), lengths)
    number_in_track = np.arange(len(points)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    element_size = _TRACK_ELEMENT.itemsize
    element_starts = starts[points] + _POINT_3D.itemsize + element_size * number_in_track
    elements = data[element_starts[:, None] + np.arange(element_size)].view(_TRACK_ELEMENT)[:, 0]
    return ColmapPoints3D(
        ids=heads["id"].astype(np.int64),
        xyz=heads["xyz"].copy(),
        colors=heads["color"].copy(),
        errors=heads["error"].copy(),
        track_lengths=lengths,
        image_ids=elements["image_id"].astype(np.int64),
        point2d_indices=elements["point2d_index"].astype(np.int64),
    )


def _encode_cameras(model: ColmapModel) -> bytes:
    records = [struct.pack("<Q", len(model.cameras))]
    for camera_id, camera in model.cameras.items():
        records.append(struct.pack("<IiQQ", camera_id, MODEL_NUMBERS[camera.model], *camera.size))
        records.append(struct.pack(f"<{len(camera.parameters)}d", *camera.parameters))
    return b"".join(records)


def _encode_images(model: ColmapModel) -> bytes:
    records = [struct.pack("<Q", len(model.images))]
    for image in model.images.values():
        pose = *image.quat_wxyz, *image.translation
        records.append(struct.pack("<I7dI", image.image_id, *pose, image.camera_id))
        points = _encode_points_2d(image.points2d)
        records.append(image.name.encode() + b"\0" + struct.pack("<Q", len(points)))
        records.append(points.tobytes())
    return b"".join(records)


def _encode_points_2d(points: ColmapPoints2D | None) -> np.ndarray:
    array = np.empty(0 if points is None else len(points.xy), _POINT_2D)
    if points is not None:
        array["xy"], array["point3d_id"] = points.xy, points.point3d_ids
    return array


def _encode_points(points: ColmapPoints3D) -> bytes:
    """Records of unequal length, laid into one buffer: a loop over 100 000 points would be slow."""
    num_points, lengths = len(points.ids), points.track_lengths
    heads = np.empty(num_points, _POINT_3D)
    heads["id"], heads["xyz"], heads["color"] = points.ids, points.xyz, points.colors
    heads["error"], heads["track_length"] = points.errors, lengths
    elements = np.empty(len(points.image_ids), _TRACK_ELEMENT)
    elements["image_id"], elements["point2d_index"] = points.image_ids, points.point2d_indices

    head_size, element_size = _POINT_3D.itemsize, _TRACK_ELEMENT.itemsize
    starts = np.arange(num_points) * head_size + (np.cumsum(lengths) - lengths) * element_size
    buffer = np.empty(num_points * head_size + len(elements) * element_size, np.uint8)
    is_head = np.zeros(len(buffer), bool)
    is_head[(starts[:, None] + np.arange(head_size)).reshape(-1)] = True
    buffer[is_head] = heads.view(np.uint8)
    buffer[~is_head] = elements.view(np.uint8)
    return struct.pack("<Q", num_points) + buffer.tobytes()
