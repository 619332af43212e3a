"""In which of the usual ways the numbers of a photo set are meant.

A file's format says what its poses, axes, depth and intrinsics are; files in the wild often mean
something else. The same numbers can be read in each of the usual ways.
"""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import InputError
from glance3d.geometry.transforms import invert
from glance3d.types import Cameras

Poses = Literal["world-to-camera", "camera-to-world"]
Axes = Literal["opencv", "opengl"]
DepthAlong = Literal["z", "ray"]


@dataclass(frozen=True)
class Conventions:
    """What the numbers of files are.

    ``poses`` map points from the world to the camera, or the other way; a camera looks along its +z
    with y down (``axes`` "opencv") or along its -z with y up ("opengl"). Depth is the file's times
    ``depth_factor`` (beside the scale that the format states), along the camera's z axis or along
    the pixel's ray. Intrinsics are for pixels ``intrinsics_factor`` times those of the photo.
    """

    poses: str = "world-to-camera"
    axes: str = "opencv"
    depth_factor: float = 1.0
    depth_along: str = "z"
    intrinsics_factor: float = 1.0

    def __post_init__(self) -> None:
        """Refuse unknown words, and factors that are none."""
        for name, words in (("poses", Poses), ("axes", Axes), ("depth_along", DepthAlong)):
            if getattr(self, name) not in get_args(words):
                raise InputError(
                    f"{name} must be {' or '.join(get_args(words))}, got {getattr(self, name)!r}"
                )
        for name in ("depth_factor", "intrinsics_factor"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InputError(f"{name} must be above 0, got {getattr(self, name)}")

    def pose_of(self, matrix: Float[Tensor, "*batch 3 4"]) -> Float[Tensor, "*batch 3 4"]:
        """``cam_from_world`` with OpenCV axes of a file's matrix."""
        if self.poses == "world-to-camera":
            return _flip_camera(matrix) if self.axes == "opengl" else matrix
        cam_from_world = invert(matrix)
        return _flip_camera(cam_from_world) if self.axes == "opengl" else cam_from_world

    def matrix_of(self, cam_from_world: Float[Tensor, "*batch 3 4"]) -> Float[Tensor, "*batch 3 4"]:
        """The file's matrix of a pose: the inverse of :meth:`pose_of`."""
        pose = _flip_camera(cam_from_world) if self.axes == "opengl" else cam_from_world
        return pose if self.poses == "world-to-camera" else invert(pose)

    def flags(self, *others: "Conventions") -> str:
        """The options of the command line that turn each of ``others`` into these."""
        words = []
        for name in ("poses", "axes", "depth_factor", "depth_along", "intrinsics_factor"):
            value = getattr(self, name)
            if any(value != getattr(other, name) for other in others):
                shown = f"{value:.6g}" if isinstance(value, float) else value
                words.append(f"--{name.replace('_', '-')} {shown}")
        return " ".join(words)


def read_cameras_as(cameras: Cameras, stated: Conventions, meant: Conventions) -> Cameras:
    """The cameras of a file that were read by its format, ``stated``, read as they are meant."""
    poses = meant.pose_of(stated.matrix_of(cameras.cam_from_world))
    intrinsics = cameras.intrinsics.clone()
    intrinsics[:, :2] *= stated.intrinsics_factor / meant.intrinsics_factor
    return replace(cameras, cam_from_world=poses, intrinsics=intrinsics)


def _flip_camera(cam_from_world: Float[Tensor, "*batch 3 4"]) -> Float[Tensor, "*batch 3 4"]:
    """The same camera with y and z pointing the other way."""
    return cam_from_world * torch.tensor([1.0, -1.0, -1.0]).to(cam_from_world)[:, None]
