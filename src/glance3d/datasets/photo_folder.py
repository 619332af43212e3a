"""Real photo sets with true cameras, in a folder::

    cameras.json     name, units, metric, depth_scale, views
    images/NNN.jpg   undistorted photos
    depth/NNN.png    16-bit z-depth; times depth_scale it is in units; 0 = unknown (optional)

Each entry of ``views`` has ``image`` (a path within the folder), ``size`` (width, height),
``intrinsics`` (3x3, pixels, the top-left pixel's centre at (0.5, 0.5)), ``cam_from_world`` (3x4,
OpenCV axes) and, where there is depth, ``depth`` (a path). There may be ``radial`` (k1 of COLMAP's
SIMPLE_RADIAL, 0 if absent) and ``physical`` (the number of the camera that took the photo).
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from glance3d.errors import ImageError, InputError
from glance3d.types import Cameras

CAMERAS_FILE = "cameras.json"


@dataclass(frozen=True)
class PhotoSet:
    """Photos of one scene with their true cameras, in the original photos' pixels.

    Lengths are in ``units``; ``metric`` says whether those are a true measure. ``depth_paths`` has
    one entry a photo, None where its depth is unknown; read them with :meth:`load_depth`.
    """

    name: str
    image_paths: tuple[Path, ...]
    cameras: Cameras
    depth_paths: tuple[Path | None, ...]
    depth_scale: float | None
    metric: bool
    units: str

    def __len__(self) -> int:
        return len(self.image_paths)

    @property
    def has_depth(self) -> bool:
        """Whether any photo has depth."""
        return any(path is not None for path in self.depth_paths)

    def load_depth(self, view: int) -> Float[Tensor, "height width"]:
        """z-depth of one photo in ``units``, 0 where unknown; its grid may be coarser."""
        path = self.depth_paths[view]
        if path is None or self.depth_scale is None:
            raise InputError(f"photo {view} of {self.name} has no depth")
        try:
            with Image.open(path) as image:
                values = np.asarray(image)
        except OSError as error:
            raise ImageError(f"the depth map {path} cannot be read: {error}") from error
        if values.ndim != 2:
            raise ImageError(
                f"the depth map {path} has {values.ndim} axes; wanted one grey channel"
            )
        return torch.from_numpy(values.astype(np.float32)) * self.depth_scale


def load_photo_set(path: str | Path) -> PhotoSet:
    """The photo set in a folder. Raises ``ImageError`` that says what is missing or wrong."""
    folder = Path(path)
    record = _load_record(folder)
    views = record.get("views")
    if not isinstance(views, list) or not views:
        raise ImageError(f"{folder / CAMERAS_FILE} lists no views; wanted one entry a photo")
    entries = [_View.read(folder, number, entry) for number, entry in enumerate(views)]
    radial, physical = ([getattr(e, key) for e in entries] for key in ("radial", "physical"))
    depth_scale = record.get("depth_scale")
    if depth_scale is None and any(entry.depth for entry in entries):
        raise ImageError(f"{folder / CAMERAS_FILE} names depth maps but gives no depth_scale")
    return PhotoSet(
        name=str(record.get("name", folder.name)),
        image_paths=tuple(entry.image for entry in entries),
        cameras=Cameras(
            torch.stack([entry.cam_from_world for entry in entries]),
            torch.stack([entry.intrinsics for entry in entries]),
            torch.tensor([entry.size for entry in entries]),
            torch.tensor(radial) if any(radial) else None,
            None if None in physical else torch.tensor(physical),
        ),
        depth_paths=tuple(entry.depth for entry in entries),
        depth_scale=None if depth_scale is None else float(depth_scale),
        metric=bool(record.get("metric", False)),
        units=str(record.get("units", "arbitrary")),
    )


def _load_record(folder: Path) -> dict[str, Any]:
    file = folder / CAMERAS_FILE
    if not file.is_file():
        what = "is no folder" if not folder.is_dir() else f"has no {CAMERAS_FILE}"
        raise ImageError(f"{folder} {what}; wanted a photo set: images/ and {CAMERAS_FILE}")
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ImageError(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(record, dict):
        raise ImageError(f"{file} holds a {type(record).__name__}; wanted an object with views")
    return record


@dataclass(frozen=True)
class _View:
    image: Path
    size: tuple[int, int]
    intrinsics: Float[Tensor, "3 3"]
    cam_from_world: Float[Tensor, "3 4"]
    depth: Path | None
    radial: float
    physical: int | None

    @classmethod
    def read(cls, folder: Path, number: int, entry: Any) -> "_View":
        where = f"view {number} of {folder / CAMERAS_FILE}"
        if not isinstance(entry, dict):
            raise ImageError(f"{where} is a {type(entry).__name__}; wanted an object")
        for key in ("image", "size", "intrinsics", "cam_from_world"):
            if key not in entry:
                raise ImageError(f"{where} has no {key!r}")
        intrinsics = _matrix(entry["intrinsics"], 3, 3, f"intrinsics of {where}")
        cam_from_world = _matrix(entry["cam_from_world"], 3, 4, f"cam_from_world of {where}")
        if intrinsics[0, 0] <= 0 or intrinsics[1, 1] <= 0:
            raise ImageError(f"intrinsics of {where}: focal lengths must be above 0")
        rotation = cam_from_world[:, :3]
        if (rotation @ rotation.T - torch.eye(3)).abs().max() > 1e-3 or rotation.det() < 0:
            raise ImageError(f"cam_from_world of {where} does not begin with a rotation")
        return cls(
            image=_file(folder, entry["image"], where),
            size=_size(entry["size"], where),
            intrinsics=intrinsics,
            cam_from_world=cam_from_world,
            depth=None if entry.get("depth") is None else _file(folder, entry["depth"], where),
            radial=_number(entry.get("radial", 0.0), f"radial of {where}"),
            physical=entry.get("physical") if isinstance(entry.get("physical"), int) else None,
        )


def _matrix(value: Any, rows: int, columns: int, what: str) -> Tensor:
    try:
        matrix = torch.tensor(value, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ImageError(f"{what} is no matrix of numbers: {error}") from error
    if tuple(matrix.shape) != (rows, columns):
        raise ImageError(f"{what} has shape {tuple(matrix.shape)}; wanted {(rows, columns)}")
    if not matrix.isfinite().all():
        raise ImageError(f"{what} holds numbers that are not finite")
    return matrix


def _number(value: Any, what: str) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ImageError(f"{what} is {value!r}; wanted a finite number")
    return float(value)


def _size(value: Any, where: str) -> tuple[int, int]:
    whole = isinstance(value, list) and len(value) == 2 and all(isinstance(v, int) for v in value)
    if not whole or min(value) < 1:
        raise ImageError(f"{where} has size {value!r}; wanted [width, height] in pixels")
    return value[0], value[1]


def _file(folder: Path, name: Any, where: str) -> Path:
    if not isinstance(name, str) or not (folder / name).is_file():
        raise ImageError(f"{where} names the file {name!r}, which is not in {folder}")
    return folder / name
