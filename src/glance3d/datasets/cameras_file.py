"""``cameras.json``: the layout that Glance3D writes and that photo sets with true cameras have::

    {"units": "metre", "metric": true, "depth_scale": 0.001, "views": [{...}, ...]}

Each entry of ``views`` has ``image`` (a path within the folder) and, as far as they are known,
``size`` (width, height), ``intrinsics`` (3x3, pixels, the top-left pixel's centre at (0.5, 0.5)),
``radial`` (k1 of COLMAP's SIMPLE_RADIAL), ``cam_from_world`` (3x4, OpenCV axes), ``physical`` (the
number of the camera that took it) and ``depth`` (the path of a depth map).
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import CamerasError

CAMERAS_FILE = "cameras.json"


@dataclass(frozen=True)
class CamerasFileView:
    """One photo's entry; matrices are float64, None is not stated."""

    image: str
    size: tuple[int, int] | None
    intrinsics: Float[Tensor, "3 3"] | None
    cam_from_world: Float[Tensor, "3 4"] | None
    radial: float = 0.0
    physical: int | None = None
    depth: str | None = None


@dataclass(frozen=True)
class CamerasFile:
    """A whole file; lengths are in ``units``, ``metric`` says whether those are a true measure."""

    name: str
    world: str
    units: str
    metric: bool
    depth_scale: float | None
    views: tuple[CamerasFileView, ...]


def read_cameras_file(path: str | Path) -> CamerasFile:
    """Read a ``cameras.json``. Raises ``CamerasError`` that says which entry is wrong, and how."""
    path = Path(path)
    record = read_json_object(path)
    views = record.get("views")
    if not isinstance(views, list) or not views:
        raise CamerasError(f"{path} lists no views; wanted one entry a photo")
    scale, world = record.get("depth_scale"), record.get("world")
    return CamerasFile(
        name=str(record.get("name", path.resolve().parent.name)),
        world=str(world.get("name", "") if isinstance(world, dict) else world or ""),
        units=str(record.get("units", "arbitrary")),
        metric=bool(record.get("metric", False)),
        depth_scale=None if scale is None else _number(scale, f"depth_scale of {path}"),
        views=tuple(_view(entry, f"view {n} of {path}") for n, entry in enumerate(views)),
    )


def read_json_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object, or a ``CamerasError``."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CamerasError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(record, dict):
        raise CamerasError(f"{path} holds a {type(record).__name__}; wanted an object with views")
    return record


def read_pose(value: Any, what: str) -> Float[Tensor, "3 4"]:
    """Rows that begin with a rotation, checked; a ``CamerasError`` says what is wrong."""
    pose = read_matrix(value, 3, 4, what)
    rotation = pose[:, :3]
    if (rotation @ rotation.T - torch.eye(3)).abs().max() > 1e-3 or rotation.det() < 0:
        raise CamerasError(f"{what} does not begin with a rotation")
    return pose


def read_matrix(value: Any, rows: int, columns: int, what: str) -> Tensor:
    """Finite numbers in this shape, float64; a ``CamerasError`` says what is wrong."""
    try:
        matrix = torch.tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise CamerasError(f"{what} is no matrix of numbers: {error}") from error
    if tuple(matrix.shape) != (rows, columns):
        raise CamerasError(f"{what} has shape {tuple(matrix.shape)}; wanted {(rows, columns)}")
    if not matrix.isfinite().all():
        raise CamerasError(f"{what} holds numbers that are not finite")
    return matrix


def _view(entry: Any, where: str) -> CamerasFileView:
    if not isinstance(entry, dict):
        raise CamerasError(f"{where} is a {type(entry).__name__}; wanted an object")
    image, depth, physical = (entry.get(key) for key in ("image", "depth", "physical"))
    if not isinstance(image, str):
        raise CamerasError(f"{where} names the file {image!r}; wanted a path such as images/1.jpg")
    intrinsics, pose = entry.get("intrinsics"), entry.get("cam_from_world")
    return CamerasFileView(
        image=image,
        size=None if entry.get("size") is None else _size(entry["size"], where),
        intrinsics=None if intrinsics is None else _intrinsics(intrinsics, where),
        cam_from_world=None if pose is None else read_pose(pose, f"cam_from_world of {where}"),
        radial=_number(entry.get("radial", 0.0), f"radial of {where}"),
        physical=physical if isinstance(physical, int) else None,
        depth=None if depth is None else str(depth),
    )


def _intrinsics(value: Any, where: str) -> Float[Tensor, "3 3"]:
    matrix = read_matrix(value, 3, 3, f"intrinsics of {where}")
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise CamerasError(f"intrinsics of {where}: focal lengths must be above 0")
    return matrix


def _number(value: Any, what: str) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise CamerasError(f"{what} is {value!r}; wanted a finite number")
    return float(value)


def _size(value: Any, where: str) -> tuple[int, int]:
    whole = isinstance(value, list) and len(value) == 2 and all(isinstance(v, int) for v in value)
    if not whole or min(value) < 1:
        raise CamerasError(f"{where} has size {value!r}; wanted [width, height] in pixels")
    return value[0], value[1]
