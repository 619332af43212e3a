"""What a COLMAP model holds: cameras, images with their 2-D points, and 3-D points with tracks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from glance3d.errors import CamerasError
from glance3d.formats.camera_values import MAX_SIDE, refuse_far
from glance3d.formats.colmap.camera_models import NUM_PARAMETERS, PINHOLE_PARAMETERS
from glance3d.formats.lenses import Lens, build_lens
from glance3d.geometry.rotations import rotation_from_quat_xyzw


@dataclass(frozen=True)
class ColmapCamera:
    """One camera: its model by name, ``size`` (width, height), parameters in the model's order."""

    model: str
    size: tuple[int, int]
    parameters: tuple[float, ...]

    def pinhole_parameters(self) -> dict[str, float] | None:
        """``fx``, ``fy``, ``cx``, ``cy`` and coefficients of distortion; None if no pinhole."""
        names = PINHOLE_PARAMETERS.get(self.model)
        if names is None:
            return None
        values = dict(zip(names, self.parameters, strict=True))
        if "f" in values:
            focal = values.pop("f")
            values = {"fx": focal, "fy": focal, **values}
        return values

    def lens(self) -> Lens | None:
        """Pinhole and k1; None of a model that is no pinhole's.

        Raises:
            CamerasError: the numbers are no camera's.
        """
        if not all(1 <= side <= MAX_SIDE for side in self.size):
            raise CamerasError(f"a photo of {self.size[0]:.6g} x {self.size[1]:.6g} pixels")
        wanted = NUM_PARAMETERS.get(self.model)
        if wanted is not None and len(self.parameters) != wanted:
            raise CamerasError(
                f"{self.model} must have {wanted} parameters, got {len(self.parameters)}"
            )
        values = self.pinhole_parameters()
        if values is None:
            return None
        focal = values.pop("fx"), values.pop("fy")
        return build_lens(focal, (values.pop("cx"), values.pop("cy")), self.size, values)


@dataclass(frozen=True)
class ColmapPoints2D:
    """Pixels of an image at which 3-D points are seen; id -1: the pixel is of no 3-D point."""

    xy: Float[np.ndarray, "points 2"]
    point3d_ids: Int[np.ndarray, " points"]


@dataclass(frozen=True)
class ColmapImage:
    """One photo: its pose, as a quaternion and a translation from the world to the camera.

    ``points2d`` is None where a reader has passed them over.
    """

    image_id: int
    name: str
    camera_id: int
    quat_wxyz: tuple[float, ...]
    translation: tuple[float, ...]
    points2d: ColmapPoints2D | None = None

    def cam_from_world(self) -> Float[Tensor, "3 4"]:
        """The pose as a matrix, float64.

        Raises:
            CamerasError: the numbers are no pose.
        """
        if not all(map(math.isfinite, (*self.quat_wxyz, *self.translation))):
            raise CamerasError(f"the pose of {self.name} is not finite")
        w, x, y, z = self.quat_wxyz
        # Before it is squared, so that neither tiny nor huge quaternions lose their direction.
        largest = max(map(abs, self.quat_wxyz))
        if not 1e-6 < largest < 1e6:
            raise CamerasError(
                f"the rotation of {self.name} is no quaternion: {w:g} {x:g} {y:g} {z:g}"
            )
        quat_xyzw = torch.tensor([x, y, z, w], dtype=torch.float64) / largest
        translation = quat_xyzw.new_tensor(self.translation)[:, None]
        pose = torch.cat([rotation_from_quat_xyzw(quat_xyzw), translation], -1)
        refuse_far(pose, self.name)
        return pose


@dataclass(frozen=True)
class ColmapPoints3D:
    """All 3-D points, and their tracks one after the other.

    A track has ``track_lengths`` elements; each is the 2-D point with index ``point2d_indices`` of
    the image with id ``image_ids``. ``errors`` are mean reprojection errors in pixels.
    """

    ids: Int[np.ndarray, " points"]
    xyz: Float[np.ndarray, "points 3"]
    colors: UInt8[np.ndarray, "points 3"]
    errors: Float[np.ndarray, " points"]
    track_lengths: Int[np.ndarray, " points"]
    image_ids: Int[np.ndarray, " elements"]
    point2d_indices: Int[np.ndarray, " elements"]

    @property
    def point_of_element(self) -> Int[np.ndarray, " elements"]:
        """The position (not the id) of each track element's point."""
        return np.repeat(np.arange(len(self.ids)), self.track_lengths)


@dataclass(frozen=True)
class ColmapModel:
    """A whole model; cameras by their ids, images by theirs."""

    cameras: Mapping[int, ColmapCamera]
    images: Mapping[int, ColmapImage]
    points: ColmapPoints3D
