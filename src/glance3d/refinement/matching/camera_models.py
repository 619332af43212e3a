"""Cameras between the scene and COLMAP: which model, which focal length to start from."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.refinement.pycolmap_interface import import_pycolmap
from glance3d.types import Reconstruction

# In longer sides: a field of view of 45 degrees along it, and what COLMAP starts from, too.
_DEFAULT_FOCAL = 1.2
# Where k1 is in a camera's parameters. SIMPLE_RADIAL: f, cx, cy, k1.
# OPENCV: fx, fy, cx, cy, k1, k2, p1, p2.
_INDEX_OF_K1 = {"SIMPLE_RADIAL": 3, "OPENCV": 4}


def build_colmap_camera(
    size: tuple[int, int],
    focal: float,
    camera_model: str,
    *,
    known: Float[Tensor, "3 3"] | None = None,
    known_radial: float = 0.0,
    is_prior: bool = False,
) -> Any:
    """A camera of a photo of ``size`` (width, height), its principal point in the middle.

    ``focal`` is in pixels. ``known`` intrinsics, with k1 in ``known_radial``, are taken over whole
    instead. ``is_prior``: whether the focal length is stated by somebody, and no default.
    """
    pycolmap = import_pycolmap()
    width, height = size
    if known is not None:
        fx, fy, cx, cy = known.double()[[0, 1, 0, 1], [0, 1, 2, 2]].tolist()
        if known_radial:
            # No smaller model of COLMAP has k1 and two focal lengths.
            params, name = [fx, fy, cx, cy, known_radial, 0.0, 0.0, 0.0], "OPENCV"
        else:
            params, name = [fx, fy, cx, cy], "PINHOLE"
    else:
        params, name = [focal, width / 2, height / 2], "SIMPLE_PINHOLE"
        if camera_model == "simple-radial":
            params, name = [*params, 0.0], "SIMPLE_RADIAL"
    camera = pycolmap.Camera(model=name, width=width, height=height, params=params)
    camera.has_prior_focal_length = is_prior or known is not None
    return camera


def default_focal(size: tuple[int, int]) -> float:
    """In pixels, where nothing is known of a photo of this (width, height)."""
    return _DEFAULT_FOCAL * max(size)


def network_focal(scene: Reconstruction, views: Sequence[int]) -> float:
    """The median of what the network said of these views, in original pixels."""
    focal = scene.cameras.intrinsics[list(views)].diagonal(dim1=-2, dim2=-1)[:, :2]
    return float(focal.double().median())


def intrinsics_of(camera: Any) -> tuple[Float[Tensor, "3 3"], float]:
    """Intrinsics and k1 of a COLMAP camera, in float64."""
    index = _INDEX_OF_K1.get(camera.model.name)
    matrix = torch.tensor(camera.calibration_matrix(), dtype=torch.float64)
    return matrix, 0.0 if index is None else float(camera.params[index])
