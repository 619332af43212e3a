"""What is the same wherever pycolmap is used: its import, its log, its poses."""

import ctypes
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

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
    get_handler, set_handler = ctypes.pythonapi.PyOS_getsig, ctypes.pythonapi.PyOS_setsig
    get_handler.restype, get_handler.argtypes = ctypes.c_void_p, [ctypes.c_int]
    set_handler.restype, set_handler.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
    handlers = {number: get_handler(number) for number in _TAKEN_SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            set_handler(number, handler)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the library's log, which speaks to its developers."""
    logging = import_pycolmap().logging
    level = logging.minloglevel
    logging.minloglevel = 3  # fatal errors only
    try:
        yield
    finally:
        logging.minloglevel = level


def rigid_from_pose(cam_from_world: Float[Tensor, "3 4"]) -> object:
    """``pycolmap.Rigid3d`` of a pose, its rotation made exactly orthonormal."""
    pycolmap = import_pycolmap()
    pose = cam_from_world.double().numpy()
    # The nearest rotation in the Frobenius norm: U V^T of the singular value decomposition.
    u, _, v_transposed = np.linalg.svd(pose[:, :3])
    return pycolmap.Rigid3d(pycolmap.Rotation3d(u @ v_transposed), pose[:, 3])


def pose_from_rigid(rigid: object) -> Float[Tensor, "3 4"]:
    """A pose in float64."""
    return torch.from_numpy(np.array(rigid.matrix()))  # type: ignore[attr-defined]


def posed_images(reconstruction: Any | None, image_ids: Sequence[int]) -> dict[int, Any]:
    """By view, the images that a reconstruction has a pose of; none without a reconstruction.

    ``image_ids`` are the reconstruction's numbers of the views, in order.
    """
    if reconstruction is None:
        return {}
    images = {
        view: reconstruction.image(image_id)
        for view, image_id in enumerate(image_ids)
        if reconstruction.exists_image(image_id)
    }
    return {view: image for view, image in images.items() if image.has_pose}


def poses_of(images: Mapping[int, Any]) -> dict[int, Float[Tensor, "3 4"]]:
    """By view, the poses of images that :func:`posed_images` gave, in float64."""
    return {view: pose_from_rigid(image.cam_from_world()) for view, image in images.items()}
