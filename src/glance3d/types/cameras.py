"""The cameras of one scene."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.geometry.cameras import camera_centers
from glance3d.types.placement import Placement


@dataclass(frozen=True)
class Cameras:
    """Cameras of one scene: pinholes, with one coefficient of radial distortion where asked for.

    ``cam_from_world`` is [R | t] with OpenCV axes; ``intrinsics`` are in pixels of images whose
    (width, height) is ``image_sizes``, the top-left pixel's centre at (0.5, 0.5). ``radial`` is k1
    of COLMAP's SIMPLE_RADIAL: a point at (u, v) on the plane at depth 1 is seen at
    (u, v) * (1 + k1 * (u^2 + v^2)), before the intrinsics; None is no distortion. Views with the
    same number in ``camera_ids`` were taken by one physical camera and share intrinsics and
    distortion; None: nothing is known to be shared.
    """

    cam_from_world: Float[Tensor, "views 3 4"]
    intrinsics: Float[Tensor, "views 3 3"]
    image_sizes: Int[Tensor, "views 2"]
    radial: Float[Tensor, " views"] | None = None
    camera_ids: Int[Tensor, " views"] | None = None

    def __len__(self) -> int:
        return len(self.cam_from_world)

    @property
    def centers(self) -> Float[Tensor, "views 3"]:
        """Where the cameras stand, in the world frame."""
        return camera_centers(self.cam_from_world)

    @property
    def pixel_unit(self) -> float:
        """A pixel's worth at this scene's size: the mean diagonal over a thousand, in pixels."""
        return float(torch.linalg.norm(self.image_sizes.double(), dim=-1).mean()) / 1000

    def double(self) -> "Cameras":
        """The same cameras with poses and intrinsics in float64."""
        return replace(
            self,
            cam_from_world=self.cam_from_world.double(),
            intrinsics=self.intrinsics.double(),
        )

    def float(self) -> "Cameras":
        """The same cameras with poses, intrinsics and distortion in float32."""
        return replace(
            self,
            cam_from_world=self.cam_from_world.float(),
            intrinsics=self.intrinsics.float(),
            radial=None if self.radial is None else self.radial.float(),
        )

    def of_views(self, views: Sequence[int]) -> "Cameras":
        """The cameras of some views, in this order."""
        index = list(views)

        def part(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor[index]

        return Cameras(
            self.cam_from_world[index],
            self.intrinsics[index],
            self.image_sizes[index],
            part(self.radial),
            part(self.camera_ids),
        )

    def on_grid(self, placements: tuple[Placement, ...]) -> "Cameras":
        """The same cameras for the pixels of the grid on which the photos lie (depth maps').

        Distortion stays as it is: it happens before the intrinsics.
        """
        intrinsics = [
            placement.intrinsics_to_processed(matrix)
            for placement, matrix in zip(placements, self.intrinsics, strict=True)
        ]
        sizes = [placement.processed_size for placement in placements]
        return replace(
            self, intrinsics=torch.stack(intrinsics), image_sizes=self.image_sizes.new_tensor(sizes)
        )
