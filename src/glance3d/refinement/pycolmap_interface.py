"""The few lines that are the same wherever pycolmap is used."""

import ctypes
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import MissingExtraError
from glance3d.out_of_memory import is_out_of_memory

_TAKEN_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGABRT", "SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE")
    if hasattr(signal, name)
)


def import_pycolmap() -> ModuleType:
    """The library, or a sentence that says how to get it."""
    try:
        with _signals_kept():
            import pycolmap
    except ImportError as error:
        if is_out_of_memory(error):
            raise
        raise MissingExtraError("refining cameras", "pycolmap", "colmap") from error
    return pycolmap


@contextmanager
def _signals_kept() -> Iterator[None]:
    """The library's log takes SIGTERM and the like, to print C++ frames: they are given back."""
    if "pycolmap" in sys.modules:
        yield
        return
    # Python's own functions for it work in any thread, and see handlers that are not Python's.
    get, put = ctypes.pythonapi.PyOS_getsig, ctypes.pythonapi.PyOS_setsig
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.c_int]
    put.restype, put.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
    before = {number: get(number) for number in _TAKEN_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            put(number, handler)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the library's log, which speaks to its developers."""
    logging = import_pycolmap().logging
    before = logging.minloglevel
    logging.minloglevel = 3
    try:
        yield
    finally:
        logging.minloglevel = before


def rigid_from_pose(cam_from_world: Float[Tensor, "3 4"]) -> object:
    """``pycolmap.Rigid3d`` of a pose, its rotation made exactly orthonormal."""
    pycolmap = import_pycolmap()
    pose = cam_from_world.double().numpy()
    left, _, right = np.linalg.svd(pose[:, :3])
    return pycolmap.Rigid3d(pycolmap.Rotation3d(left @ right), pose[:, 3])


def pose_from_rigid(rigid: object) -> Float[Tensor, "3 4"]:
    """A pose in float64."""
    return torch.from_numpy(np.array(rigid.matrix()))  # type: ignore[attr-defined]
