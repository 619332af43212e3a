"""Reads back what the COLMAP export wrote: ``cameras.bin``, ``images.bin`` and ``points3D.bin``.

For checking our own files without pycolmap; written from the format's description and sharing
nothing with the writer, so that a mistake of one is not hidden by the same mistake in the other.
Source: https://colmap.github.io/format.html.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from glance3d.errors import SceneError

# The parameters of the models that we write, by COLMAP's number of each model.
_PARAMETERS = {
    0: ("f", "cx", "cy"),
    1: ("fx", "fy", "cx", "cy"),
    2: ("f", "cx", "cy", "k1"),
    4: ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2"),
}
_HEAD_SIZE = 51  # of a point: id, position, colour, error and the track's length


@dataclass(frozen=True)
class ReadCamera:
    """Size (width, height), pinhole intrinsics and k1."""

    size: tuple[int, int]
    intrinsics: Float[np.ndarray, "3 3"]
    radial: float


@dataclass(frozen=True)
class ReadImage:
    """A photo with its 2-D points; ``point_ids`` is -1 where those belong to no 3-D point."""

    name: str
    camera_id: int
    quat_wxyz: Float[np.ndarray, "4"]
    translation: Float[np.ndarray, "3"]
    pixels: Float[np.ndarray, "points_2d 2"]
    point_ids: Int[np.ndarray, " points_2d"]


@dataclass(frozen=True)
class ReadModel:
    """A whole model. Track element ``i`` says: the point with index ``track_points[i]`` is the
    2-D point number ``track_indices[i]`` of the image with id ``track_images[i]``.
    """

    cameras: dict[int, ReadCamera]
    images: dict[int, ReadImage]
    point_ids: Int[np.ndarray, " points"]
    positions: Float[np.ndarray, "points 3"]
    track_points: Int[np.ndarray, " elements"]
    track_images: Int[np.ndarray, " elements"]
    track_indices: Int[np.ndarray, " elements"]


def read_colmap_model(folder: Path) -> ReadModel:
    """Read the three files. Raises ``SceneError`` where they do not hold what they announce."""
    try:
        cameras = _read_cameras(_Bytes((folder / "cameras.bin").read_bytes()))
        images = _read_images(_Bytes((folder / "images.bin").read_bytes()))
        points = _read_points((folder / "points3D.bin").read_bytes())
        model = ReadModel(cameras, images, *points)
        _refuse_strangers(model)
    except (struct.error, OSError, ValueError, KeyError, IndexError, OverflowError) as error:
        raise SceneError(f"{folder} holds no whole COLMAP model: {error!r}") from error
    return model


def _refuse_strangers(model: ReadModel) -> None:
    """Refuse photos of cameras, and tracks of 2-D points, that are not there."""
    for image in model.images.values():
        if image.camera_id not in model.cameras:
            raise ValueError(f"{image.name} is of the camera {image.camera_id}, which is missing")
    counts = {number: len(image.pixels) for number, image in model.images.items()}
    for number in np.unique(model.track_images).tolist():
        last = int(model.track_indices[model.track_images == number].max())
        if last >= counts.get(number, 0):
            raise ValueError(f"a track names the 2-D point {last} of image {number}")


@dataclass
class _Bytes:
    """Bytes that are read from front to back."""

    content: bytes
    position: int = 0

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + layout, self.content, self.position)
        self.position += struct.calcsize("<" + layout)
        return values

    def take_text(self) -> str:
        end = self.content.index(b"\0", self.position)
        text = self.content[self.position : end].decode()
        self.position = end + 1
        return text

    def take_array(self, dtype: np.dtype, count: int) -> np.ndarray:
        values = np.frombuffer(self.content, dtype, count, self.position)
        self.position += values.nbytes
        return values

    def refuse_more(self) -> None:
        if self.position != len(self.content):
            raise ValueError(f"{len(self.content) - self.position} bytes after the last record")


def _read_cameras(data: _Bytes) -> dict[int, ReadCamera]:
    cameras = {}
    for _ in range(*data.take("Q")):
        camera_id, model, width, height = data.take("IiQQ")
        names = _PARAMETERS[model]
        values = dict(zip(names, data.take(f"{len(names)}d"), strict=True))
        fx, fy = (values.get(name, values.get("f")) for name in ("fx", "fy"))
        intrinsics = np.array([[fx, 0, values["cx"]], [0, fy, values["cy"]], [0, 0, 1]], np.float64)
        cameras[camera_id] = ReadCamera((width, height), intrinsics, values.get("k1", 0.0))
    data.refuse_more()
    return cameras


def _read_images(data: _Bytes) -> dict[int, ReadImage]:
    point_2d = np.dtype([("pixel", "<f8", 2), ("point_id", "<i8")])
    images = {}
    for _ in range(*data.take("Q")):
        image_id, *pose, camera_id = data.take("I7dI")
        name = data.take_text()
        points = data.take_array(point_2d, *data.take("Q"))
        images[image_id] = ReadImage(
            name,
            camera_id,
            np.array(pose[:4]),
            np.array(pose[4:]),
            points["pixel"],
            points["point_id"],
        )
    data.refuse_more()
    return images


def _read_points(content: bytes) -> tuple[np.ndarray, ...]:
    """Ids, positions; then of all tracks the points' indices, the images' ids, the 2-D indices."""
    (num_points,) = struct.unpack_from("<Q", content)
    if num_points > len(content) // _HEAD_SIZE:
        raise ValueError(f"points3D.bin announces {num_points} points in {len(content)} bytes")
    starts, lengths = np.zeros(num_points, np.int64), np.zeros(num_points, np.int64)
    position = 8
    for index in range(num_points):
        starts[index] = position
        (lengths[index],) = struct.unpack_from("<Q", content, position + _HEAD_SIZE - 8)
        position += _HEAD_SIZE + 8 * int(lengths[index])
    if position != len(content):
        raise ValueError(f"points3D.bin is {len(content)} bytes long, announced are {position}")
    data = np.frombuffer(content, np.uint8)
    heads = data[starts[:, None] + np.arange(32)]
    points = np.repeat(np.arange(num_points), lengths)
    number_in_track = np.arange(len(points)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    element_starts = starts[points] + _HEAD_SIZE + 8 * number_in_track
    elements = data[element_starts[:, None] + np.arange(8)].view("<u4").astype(np.int64)
    return (
        heads[:, :8].copy().view("<i8")[:, 0],
        heads[:, 8:].copy().view("<f8"),
        points,
        elements[:, 0],
        elements[:, 1],
    )
