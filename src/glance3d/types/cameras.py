"""The cameras of one scene."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from glance3d.geometry.cameras import camera_centers


@dataclass(frozen=True)
class Cameras:
    """Cameras of one scene: pinholes, with one coefficient of radial distortion where asked for.

    ``cam_from_world`` is [R | t] with OpenCV axes; ``intrinsics`` are in pixels of images whose
    (width, height) is ``image_sizes``, the top-left pixel's centre at (0.5, 0.5). ``radial`` is k1
    of COLMAP's SIMPLE_RADIAL: a point at (u, v) on the plane at depth 1 is seen at
    (u, v) * (1 + k1 * (u^2 + v^2)), before the intrinsics; None is no distortion. Views with the
    same number in ``physical`` were taken by one physical camera and share intrinsics and
    distortion; None: nothing is known to be shared.
    """

    cam_from_world: Float[Tensor, "views 3 4"]
    intrinsics: Float[Tensor, "views 3 3"]
    image_sizes: Int[Tensor, "views 2"]
    radial: Float[Tensor, " views"] | None = None
    physical: Int[Tensor, " views"] | None = None

    def __len__(self) -> int:
        return len(self.cam_from_world)

    @property
    def centers(self) -> Float[Tensor, "views 3"]:
        """Where the cameras stand, in the world frame."""
        return camera_centers(self.cam_from_world)
