"""Intrinsics of one frame of a ``transforms.json``, however the tool that wrote it spells them.

What stands in the frame goes before what stands at the top for all frames. A frame's own focal
length in one spelling replaces one at the top in another.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import CamerasError
from glance3d.files.json_input import read_number
from glance3d.formats.camera_values import (
    read_center,
    read_focal,
    read_matrix,
    read_radial,
    read_side,
)
from glance3d.formats.lenses import DISTORTIONS, build_lens, focal_of_angles

Size = tuple[int, int]

_PINHOLES = (
    "OPENCV",
    "PINHOLE",
    "SIMPLE_PINHOLE",
    "PERSPECTIVE",
    "SIMPLE_RADIAL",
    "RADIAL",
    "FULL_OPENCV",
)
_MATRICES = ("K", "intrinsics", "intrinsic", "intrinsic_matrix", "camera_intrinsics")
_FOCALS = (("fl_x", "fx"), ("fl_y", "fy"))
_ANGLES = ("camera_angle_x", "camera_angle_y")
_FOCAL_KEYS = (*_MATRICES, *_FOCALS[0], *_FOCALS[1], *_ANGLES)
# Beginnings of keys that state a lens in a way that is not read.
_LIKE_INTRINSICS = ("focal", "fov", "intrin", "camera_intrin", "camera_angle", "distort")


@dataclass(frozen=True)
class FrameIntrinsics:
    """As the fields of ``KnownCamera``; ``warnings`` say what was not used, and why."""

    matrix: Float[Tensor, "3 3"] | None = None
    radial: float = 0.0
    size: Size | None = None
    field_of_view_x: float | None = None
    field_of_view_y: float | None = None
    warnings: tuple[str, ...] = ()


def read_frame_intrinsics(
    record: Mapping[str, Any], frame: Mapping[str, Any], where: str
) -> FrameIntrinsics:
    """What the file ``record`` and one of its frames say of the lens.

    Raises:
        CamerasError: a number is no camera's; ``where`` names the frame.
    """
    values = _merged(record, frame)
    size = _size(values, where)
    model = str(values.get("camera_model", "OPENCV")).upper()
    k4 = _numbers(values, ("k4",), where, read_radial)[0]
    if model not in _PINHOLES or values.get("is_fisheye") or (k4 and model != "FULL_OPENCV"):
        # nerfstudio's k4 belongs to fisheyes; a pinhole's file has it as 0.
        lens = f"model {model[:40]}" + (" with k4" if k4 else "")
        return FrameIntrinsics(
            size=size,
            warnings=(
                f"cameras of the {lens} are no pinholes: only their poses are used; undistort the "
                "photos to use their intrinsics",
            ),
        )
    unread = _unread(values)
    matrix, skew = _matrix(values, size, where)
    if matrix is None:
        angles = _numbers(values, _ANGLES, where, _read_angle)
        if angles == [None, None]:
            return FrameIntrinsics(size=size, warnings=(*unread, *_without_focal(values)))
        if size is None:
            radial, dropped = _distortion_without_size(values, where)
            warnings = (*unread, *dropped)
            return FrameIntrinsics(None, radial, None, angles[0], angles[1], warnings)
        matrix = _matrix_of_angles(values, angles, size, where)
    return _with_distortion(matrix, size, values, where, (*unread, *skew))


def _merged(record: Mapping[str, Any], frame: Mapping[str, Any]) -> dict[str, Any]:
    shared, frame = _flat(record), _flat(frame)
    if any(frame.get(key) is not None for key in _FOCAL_KEYS):
        shared = {key: value for key, value in shared.items() if key not in _FOCAL_KEYS}
    return {**shared, **{key: value for key, value in frame.items() if value is not None}}


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same, with an object of intrinsics (``"intrinsics": {"fx": ...}``) spread out."""
    objects = [values[key] for key in _MATRICES if isinstance(values.get(key), dict)]
    rest = {key: value for key, value in values.items() if value not in objects}
    return {key: value for each in (*objects, rest) for key, value in each.items()}


def _matrix(
    values: Mapping[str, Any], size: Size | None, where: str
) -> tuple[Float[Tensor, "3 3"] | None, tuple[str, ...]]:
    """Intrinsics stated in pixels, and that their skew is not used; NaN is the photo's centre."""
    focal_x, focal_y = (_first(values, keys, where, read_focal) for keys in _FOCALS)
    if focal_x is not None or focal_y is not None:
        center = _center(values, size, where)
        return _built((focal_x or focal_y or 0.0, focal_y or focal_x or 0.0), center), ()
    key = next((key for key in _MATRICES if values.get(key) is not None), None)
    if key is None:
        return None, ()
    stated = _rows(values[key], f"{key} of {where}")
    focal = tuple(read_focal(float(stated[i, i]), f"{key} of {where}") for i in range(2))
    middle = tuple(read_center(float(stated[i, 2]), f"{key} of {where}") for i in range(2))
    skew = () if abs(float(stated[0, 1])) < 0.1 else ("the skew of its cameras is not used",)
    return _built((focal[0], focal[1]), (middle[0], middle[1])), skew


def _rows(value: Any, what: str) -> Tensor:
    """A matrix of 3x3, or the upper left of one with 3x4 or 4x4; nine numbers in a row count."""
    if isinstance(value, list) and len(value) == 9:
        value = [value[:3], value[3:6], value[6:]]
    if isinstance(value, list) and len(value) in (3, 4):
        value = [row[:3] if isinstance(row, list) else row for row in value[:3]]
    return read_matrix(value, 3, 3, what)


def _built(focal: tuple[float, float], center: tuple[float, float]) -> Float[Tensor, "3 3"]:
    rows = [[focal[0], 0, center[0]], [0, focal[1], center[1]], [0, 0, 1]]
    return torch.tensor(rows, dtype=torch.float64)


def _center(values: Mapping[str, Any], size: Size | None, where: str) -> tuple[float, float]:
    half = (math.nan, math.nan) if size is None else (size[0] / 2, size[1] / 2)
    stated = _numbers(values, ("cx", "cy"), where, read_center)
    x, y = (middle if value is None else value for value, middle in zip(stated, half, strict=True))
    return x, y


def _matrix_of_angles(
    values: Mapping[str, Any], angles: list[float | None], size: Size, where: str
) -> Float[Tensor, "3 3"]:
    return _built(focal_of_angles(angles[0], angles[1], size), _center(values, size, where))


def _with_distortion(
    matrix: Float[Tensor, "3 3"],
    size: Size | None,
    values: Mapping[str, Any],
    where: str,
    warnings: tuple[str, ...],
) -> FrameIntrinsics:
    if size is None:
        radial, dropped = _distortion_without_size(values, where)
        return FrameIntrinsics(matrix, radial, None, warnings=(*warnings, *dropped))
    terms = {key: n or 0.0 for key, n in _distortion(values, where).items()}
    focal, center = matrix.diagonal()[:2].tolist(), matrix[:2, 2].tolist()
    try:
        lens = build_lens((focal[0], focal[1]), (center[0], center[1]), size, terms)
    except CamerasError as error:
        raise CamerasError(f"{where} has {error}") from error
    if lens.warning:
        warnings = (*warnings, lens.warning)
    return FrameIntrinsics(lens.intrinsics, lens.radial, size, warnings=warnings)


def _distortion_without_size(
    values: Mapping[str, Any], where: str
) -> tuple[float, tuple[str, ...]]:
    """k1, and that other terms are not used: over which pixels to fit them is not stated."""
    terms = _distortion(values, where)
    dropped = [key for key, value in terms.items() if value and key != "k1"]
    if not dropped:
        return terms["k1"] or 0.0, ()
    return terms["k1"] or 0.0, (
        f"distortion by {', '.join(dropped)} is not used, because w and h are not stated: "
        "undistort the photos first to keep it",
    )


def _distortion(values: Mapping[str, Any], where: str) -> dict[str, float | None]:
    numbers = _numbers(values, DISTORTIONS, where, read_radial)
    return dict(zip(DISTORTIONS, numbers, strict=True))


def _size(values: Mapping[str, Any], where: str) -> Size | None:
    width, height = (
        _first(values, keys, where, read_side) for keys in (("w", "width"), ("h", "height"))
    )
    return None if width is None or height is None else (width, height)


def _read_angle(value: Any, what: str) -> float:
    return read_number(value, what, error=CamerasError, low=1e-6, high=math.pi - 1e-3)


def _numbers(values: Mapping[str, Any], keys: tuple[str, ...], where: str, read: Any) -> list[Any]:
    return [_first(values, (key,), where, read) for key in keys]


def _first(values: Mapping[str, Any], keys: tuple[str, ...], where: str, read: Any) -> Any:
    """The number under the first of the keys that is there."""
    key = next((key for key in keys if values.get(key) is not None), None)
    return None if key is None else read(values[key], f"{key} of {where}")


def _unread(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Keys that seem to state a lens in a way that is not read."""
    keys = sorted(
        key
        for key, value in values.items()
        if value is not None and key not in _FOCAL_KEYS and key.lower().startswith(_LIKE_INTRINSICS)
    )
    if not keys:
        return ()
    return (
        f"{', '.join(keys[:5])[:120]} in it is not read: intrinsics are fl_x, K or camera_angle_x",
    )


def _without_focal(values: Mapping[str, Any]) -> tuple[str, ...]:
    """That numbers of a lens without a focal length are of no use."""
    keys = [key for key in ("cx", "cy", *DISTORTIONS) if values.get(key)]
    if not keys:
        return ()
    return (f"{', '.join(keys)} without a focal length (fl_x, K or camera_angle_x) is not used",)
