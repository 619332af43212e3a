"""A COLMAP model's cameras, text or binary: ``cameras`` and ``images`` as .txt or .bin.

COLMAP's quaternions are stored w x y z, its pixels have their origin at the top-left pixel's corner
as ours do. Points are not read. Source: https://colmap.github.io/format.html; the numbers of the
models and of their parameters from ``src/colmap/sensor/models.h`` of COLMAP 4.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import CamerasError
from glance3d.geometry.transforms import rotation_from_quat_xyzw
from glance3d.known_cameras.cameras import KnownCamera, KnownCameras
from glance3d.known_cameras.lenses import Lens, build_lens

# By COLMAP's number of each model: its name and its parameters.
MODELS: dict[int, tuple[str, tuple[str, ...]]] = {
    0: ("SIMPLE_PINHOLE", ("f", "cx", "cy")),
    1: ("PINHOLE", ("fx", "fy", "cx", "cy")),
    2: ("SIMPLE_RADIAL", ("f", "cx", "cy", "k1")),
    3: ("RADIAL", ("f", "cx", "cy", "k1", "k2")),
    4: ("OPENCV", ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2")),
    6: (
        "FULL_OPENCV",
        ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
    ),
}
# Those that no pinhole comes near: they are passed over, so that the poses can still be read.
_NUM_PARAMETERS_OF_OTHERS = {
    5: ("OPENCV_FISHEYE", 8),
    7: ("FOV", 5),
    8: ("SIMPLE_RADIAL_FISHEYE", 4),
    9: ("RADIAL_FISHEYE", 5),
    10: ("THIN_PRISM_FISHEYE", 12),
    11: ("RAD_TAN_THIN_PRISM_FISHEYE", 16),
    12: ("SIMPLE_DIVISION", 4),
    13: ("DIVISION", 5),
    14: ("SIMPLE_FISHEYE", 3),
    15: ("FISHEYE", 4),
    16: ("EUCM", 6),
    17: ("EQUIRECTANGULAR", 2),
}
_BY_NAME = {name: parameters for name, parameters in MODELS.values()}


@dataclass(frozen=True)
class _Camera:
    model: str
    size: tuple[int, int]
    parameters: tuple[float, ...]

    def lens(self) -> Lens | None:
        """Pinhole and k1; None of a model that is no pinhole's."""
        if self.model not in _BY_NAME:
            return None
        names = _BY_NAME[self.model]
        values = dict(zip(names, self.parameters, strict=True))
        focal = values.pop("fx", values.get("f", 0.0)), values.pop("fy", values.get("f", 0.0))
        values.pop("f", None)
        return build_lens(focal, (values.pop("cx"), values.pop("cy")), self.size, values)


@dataclass(frozen=True)
class _Image:
    name: str
    camera_id: int
    cam_from_world: Float[Tensor, "3 4"]


def is_colmap_model(path: Path) -> bool:
    """Whether a COLMAP model is at ``path``: a folder, a project above it, or one of its files."""
    return bool(_model_folders(path))


def read_colmap_model(path: Path) -> KnownCameras:
    """The cameras of the model at ``path``. Raises ``CamerasError`` that says what is wrong."""
    folders = _model_folders(path)
    if len(folders) != 1:
        found = ", ".join(str(folder) for folder in folders) or "none"
        raise CamerasError(f"one COLMAP model is wanted at {path}, found: {found}")
    folder = folders[0]
    try:
        if (folder / "images.bin").is_file():
            cameras = dict(_binary_cameras(_Bytes((folder / "cameras.bin").read_bytes())))
            images = list(_binary_images(_Bytes((folder / "images.bin").read_bytes())))
        else:
            cameras = dict(_text_cameras(folder / "cameras.txt"))
            images = list(_text_images(folder / "images.txt"))
    except (struct.error, ValueError, KeyError, IndexError, OSError) as error:
        raise CamerasError(f"{folder} is no whole COLMAP model: {error!r}") from error
    return _known(folder, cameras, images)


def _model_folders(path: Path) -> list[Path]:
    """Where the files lie: ``path``, the models in its ``sparse``, or the folder it lies in."""
    if path.is_file():
        named = path.name in ("cameras.bin", "cameras.txt", "images.bin", "images.txt")
        return [path.parent] if named and _holds_model(path.parent) else []
    if _holds_model(path):
        return [path]
    for parent in (path / "sparse", path):
        found = [
            folder for folder in (parent, *sorted(parent.glob("[0-9]*"))) if _holds_model(folder)
        ]
        if found:
            return found
    return []


def _holds_model(folder: Path) -> bool:
    return any(
        (folder / f"cameras{suffix}").is_file() and (folder / f"images{suffix}").is_file()
        for suffix in (".bin", ".txt")
    )


def _known(folder: Path, cameras: dict[int, _Camera], images: list[_Image]) -> KnownCameras:
    lenses = {number: camera.lens() for number, camera in cameras.items()}
    missing = {image.camera_id for image in images} - set(lenses)
    if missing:
        raise CamerasError(f"{folder} has photos of the camera {min(missing)}, which it lacks")
    others = sorted({camera.model for n, camera in cameras.items() if lenses[n] is None})
    warnings = {lens.warning for lens in lenses.values() if lens and lens.warning}
    if others:
        warnings.add(
            f"cameras of the model {', '.join(others)} are no pinholes: only their poses are used; "
            "undistort the photos to use their intrinsics"
        )
    known = []
    for image in images:
        lens, size = lenses[image.camera_id], cameras[image.camera_id].size
        known.append(
            KnownCamera(
                image.name,
                image.cam_from_world,
                None if lens is None else lens.intrinsics,
                0.0 if lens is None else lens.radial,
                size,
            )
        )
    return KnownCameras(
        source=str(folder),
        format="COLMAP",
        cameras=tuple(known),
        world=f"the COLMAP model {folder.name}",
        warnings=tuple(sorted(f"{folder}: {warning}" for warning in warnings)),
    )


def _image(name: str, camera_id: int, values: list[float]) -> _Image:
    """``values`` are the quaternion w x y z and the translation."""
    w, x, y, z, *translation = values
    quat_xyzw = torch.tensor([x, y, z, w], dtype=torch.float64)
    pose = torch.cat(
        [rotation_from_quat_xyzw(quat_xyzw), quat_xyzw.new_tensor(translation)[:, None]], -1
    )
    if not pose.isfinite().all():
        raise ValueError(f"the pose of {name} is not finite")
    return _Image(name, camera_id, pose)


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
        text = self.content[self.position : end].decode("utf-8", "surrogateescape")
        self.position = end + 1
        return text


def _binary_cameras(data: _Bytes) -> Iterator[tuple[int, _Camera]]:
    for _ in range(*data.take("Q")):
        camera_id, model, width, height = data.take("IiQQ")
        if model in MODELS:
            name, count = MODELS[model][0], len(MODELS[model][1])
        else:
            name, count = _NUM_PARAMETERS_OF_OTHERS[model]
        yield camera_id, _Camera(name, (width, height), data.take(f"{count}d"))


def _binary_images(data: _Bytes) -> Iterator[_Image]:
    for _ in range(*data.take("Q")):
        _, *pose, camera_id = data.take("I7dI")
        name = data.take_text()
        (num_points,) = data.take("Q")
        data.position += 24 * num_points
        if data.position > len(data.content):
            raise ValueError("images.bin was cut short")
        yield _image(name, camera_id, pose)


def _text_cameras(path: Path) -> Iterator[tuple[int, _Camera]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        number, model, width, height, *parameters = line.split()
        yield int(number), _Camera(model, (int(width), int(height)), tuple(map(float, parameters)))


def _text_images(path: Path) -> Iterator[_Image]:
    """Two lines a photo, of which the second (its points) may be empty."""
    lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    kept = iter([line for line in lines if not line.startswith("#")])
    for line in kept:
        if not line.strip():
            continue
        _, *pose, camera_id, name = line.split(maxsplit=9)
        yield _image(name.strip(), int(camera_id), [float(value) for value in pose])
        next(kept, None)
