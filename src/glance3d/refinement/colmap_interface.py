"""The few lines that are the same wherever pycolmap is used."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import MissingExtraError


def import_pycolmap() -> ModuleType:
    """The library, or a sentence that says how to get it."""
    try:
        import pycolmap
    except ImportError as error:
        raise MissingExtraError("refining cameras", "pycolmap", "colmap") from error
    return pycolmap


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
