"""Numbers of cameras out of a foreign file: of the right shape, finite, and such as cameras have.

The bounds leave room for every camera and every map; beyond them a number is damaged, and would
only come to light as an overflow far from here.
"""

import reprlib
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import CamerasError
from glance3d.files.json_input import read_number

MAX_SIDE = 1_000_000  # pixels
FOCAL_BOUNDS = (1e-2, 1e9)  # pixels
CENTER_BOUNDS = (-1e7, 1e7)  # pixels
RADIAL_BOUNDS = (-1e6, 1e6)
#: Units of length; the Earth's circumference in millimetres is 4e10.
MAX_DISTANCE = 1e12
_ORTHOGONAL = 1e-3


def read_focal(value: Any, what: str) -> float:
    """A focal length in pixels."""
    low, high = FOCAL_BOUNDS
    return read_number(value, what, error=CamerasError, low=low, high=high)


def read_center(value: Any, what: str) -> float:
    """One coordinate of a principal point, in pixels."""
    low, high = CENTER_BOUNDS
    return read_number(value, what, error=CamerasError, low=low, high=high)


def read_radial(value: Any, what: str) -> float:
    """A coefficient of distortion."""
    low, high = RADIAL_BOUNDS
    return read_number(value, what, error=CamerasError, low=low, high=high)


def read_side(value: Any, what: str) -> int:
    """A width or height in whole pixels."""
    return round(read_number(value, what, error=CamerasError, low=1.0, high=float(MAX_SIDE)))


def read_size(value: Any, what: str) -> tuple[int, int]:
    """[width, height] in pixels."""
    if not isinstance(value, list) or len(value) != 2:
        raise CamerasError(f"{what} must be [width, height] in pixels, got {reprlib.repr(value)}")
    width, height = (read_side(side, what) for side in value)
    return width, height


def read_intrinsics(value: Any, what: str) -> Float[Tensor, "3 3"]:
    """A matrix of intrinsics, float64."""
    matrix = read_matrix(value, 3, 3, what)
    if not torch.equal(matrix[2], matrix.new_tensor([0.0, 0.0, 1.0])):
        raise CamerasError(f"{what} do not end with the row 0 0 1")
    for row in range(2):
        if not matrix[row, row] > 0:
            raise CamerasError(f"{what}: focal lengths must be above 0")
        read_focal(float(matrix[row, row]), f"a focal length in {what}")
        read_center(float(matrix[row, 2]), f"the principal point in {what}")
    return matrix


def read_pose(value: Any, what: str) -> Float[Tensor, "3 4"]:
    """Rows that begin with a rotation, float64; a ``CamerasError`` says what is wrong."""
    pose = read_matrix(value, 3, 4, what)
    rotation = pose[:, :3]
    differs = (rotation @ rotation.T - torch.eye(3, dtype=torch.float64)).abs().max()
    if not differs <= _ORTHOGONAL or not rotation.det() > 0:
        raise CamerasError(f"{what} does not begin with a rotation")
    refuse_far(pose, what)
    return pose


def refuse_far(pose: Float[Tensor, "3 columns"], what: str) -> None:
    """A ``CamerasError`` where the position, the last column, cannot be a camera's."""
    distance = float(pose[:, -1].abs().max())
    if not distance <= MAX_DISTANCE:
        raise CamerasError(f"{what} must lie within {MAX_DISTANCE:g} units, got {distance:g}")


def read_matrix(value: Any, rows: int, columns: int, what: str) -> Tensor:
    """Finite numbers in this shape, float64; a ``CamerasError`` says what is wrong."""
    if not isinstance(value, list) or not all(isinstance(row, list) for row in value):
        raise CamerasError(
            f"{what} must be {rows} rows of {columns} numbers, got {reprlib.repr(value)}"
        )
    lengths = {len(row) for row in value}
    if len(value) != rows or lengths != {columns}:
        shape = (len(value), *sorted(lengths))
        raise CamerasError(f"{what} must have shape {(rows, columns)}, got {shape}")
    numbers = [
        [read_number(item, f"a number in {what}", error=CamerasError) for item in row]
        for row in value
    ]
    return torch.tensor(numbers, dtype=torch.float64)
