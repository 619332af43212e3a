"""Cameras between the scene and COLMAP: which model, which focal length to start from."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.refinement.pycolmap_interface import import_pycolmap
from glance3d.types import Reconstruction

# A moderate wide angle, 45 degrees along the longer side: what COLMAP starts from, too.
_DEFAULT_FOCAL = 1.2


def build_colmap_camera(
    size: tuple[int, int],
    focal: float,
    camera_model: str,
    *,
    known: Float[Tensor, "3 3"] | None = None,
    known_radial: float = 0.0,
    is_prior: bool = False,
) -> Any:
    """A camera of the photo's (width, height); known intrinsics are taken over whole."""
    pycolmap = import_pycolmap()
    width, height = size
    if known is not None:
        fx, fy, cx, cy = known.double()[[0, 1, 0, 1], [0, 1, 2, 2]].tolist()
        if known_radial:
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
    """Where nothing is known."""
    return _DEFAULT_FOCAL * max(size)


def network_focal(scene: Reconstruction, views: Sequence[int]) -> float:
    """The median of what the network said of these views, in original pixels."""
    focal = scene.cameras.intrinsics[list(views)].diagonal(dim1=-2, dim2=-1)[:, :2]
    return float(focal.double().median())


def intrinsics_of(camera: Any) -> tuple[Float[Tensor, "3 3"], float]:
    """Intrinsics and k1 of a COLMAP camera, in float64."""
    radial = {"SIMPLE_RADIAL": 3, "OPENCV": 4}.get(camera.model.name)
    matrix = torch.tensor(camera.calibration_matrix(), dtype=torch.float64)
    return matrix, 0.0 if radial is None else float(camera.params[radial])
