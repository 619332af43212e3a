"""Depth maps from elsewhere: an ``.npy``, an ``.exr``, or a picture of one channel."""

import math
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Shaped

from glance3d.errors import ImageError
from glance3d.files.regular_file import regular_file
from glance3d.images.decoding.decode import open_as_stored
from glance3d.images.decoding.exr import read_exr
from glance3d.images.files.decoders import check_size, decoding

_LONGEST_HEADER = 4096  # characters
_SAMPLES = "iuf"  # kinds of numbers


def read_depth_map(path: Path) -> Shaped[np.ndarray, "height width"]:
    """The numbers of a depth map as they are stored, whatever they mean.

    Raises:
        ImageError: no file, damaged, larger than photos may be, or not of one channel of numbers.
    """
    try:
        if path.suffix.lower() == ".npy":
            regular_file(path, error=ImageError)
            with decoding(path.name), path.open("rb") as file:
                return _read_npy(file, path)
        if path.suffix.lower() == ".exr":
            values = read_exr(path)
        else:
            values = np.asarray(open_as_stored(path, min_side=1)[0])
        _refuse_other_shapes(values.dtype, values.shape)
    except ImageError as error:
        raise ImageError(f"the depth map {path} cannot be read: {error}") from error
    return values


def _read_npy(file: BinaryIO, path: Path) -> Shaped[np.ndarray, "height width"]:
    """Type and shape are looked at before there is room made for the values."""
    version = np.lib.format.read_magic(file)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read_header is None:
        raise ImageError(f"its .npy version must be (1, 0) or (2, 0), got {version}")
    shape, is_fortran, dtype = read_header(file, max_header_size=_LONGEST_HEADER)
    plain = tuple(side for side in shape if side != 1) if len(shape) > 2 else shape
    _refuse_other_shapes(dtype, plain)
    check_size((plain[1], plain[0]), "it", min_side=1)
    if math.prod(shape) * dtype.itemsize > path.stat().st_size - file.tell():
        raise ImageError(f"it is cut short: too few bytes for {plain[1]} x {plain[0]} numbers")
    values = np.fromfile(file, dtype, math.prod(shape))
    return values.reshape(plain, order="F" if is_fortran else "C")


def _refuse_other_shapes(dtype: np.dtype, shape: tuple[int, ...]) -> None:
    if len(shape) != 2 or dtype.kind not in _SAMPLES:
        raise ImageError(f"it must be one channel of numbers, got {dtype} of shape {shape}")
