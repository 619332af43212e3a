"""True positions of each view's cells in the other views: from rays alone, without rendering."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.datasets.synthetic.scenes import Scenes
from glance3d.datasets.synthetic.visibility import cast, seen_by


@dataclass(frozen=True)
class TruePlaces:
    """Cells of ``cell`` pixels of every view, row by row on ``grid`` (rows, columns).

    ``pixels[b, v, w, n]`` is where the centre of cell n of view v projects to in view w, and
    ``seen`` whether it is in that image and nothing hides it. ``image_size`` is (height, width).
    """

    pixels: Float[Tensor, "batch views views cells 2"]
    seen: Bool[Tensor, "batch views views cells"]
    cam_from_world: Float[Tensor, "batch views 3 4"]
    intrinsics: Float[Tensor, "batch views 3 3"]
    image_size: tuple[int, int]
    cell: int

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the cells."""
        return self.image_size[0] // self.cell, self.image_size[1] // self.cell


def find_places(
    scenes: Scenes,
    cameras: Float[Tensor, "batch views 3 4"],
    intrinsics: Float[Tensor, "batch views 3 3"],
    image_size: tuple[int, int],
    cell: int,
) -> TruePlaces:
    """Cast a ray through every cell's centre, and project the point that it hits into all views."""
    batch, views = cameras.shape[:2]
    height, width = image_size
    device = cameras.device
    y, x = torch.meshgrid(
        (torch.arange(height // cell, device=device) + 0.5) * cell,
        (torch.arange(width // cell, device=device) + 0.5) * cell,
        indexing="ij",
    )
    centers = torch.stack([x, y], -1).flatten(0, 1)
    shapes = scenes.local_from_world.repeat_interleave(views, 0)
    flat_cameras, flat_intrinsics = cameras.flatten(0, 1), intrinsics.flatten(0, 1)
    rays = centers.expand(batch * views, -1, -1)
    points, _, _ = cast(shapes, flat_cameras, flat_intrinsics, rays)
    of_scene = points.unflatten(0, (batch, views)).flatten(1, 2).repeat_interleave(views, 0)
    pixels, seen = seen_by(shapes, flat_cameras, flat_intrinsics, image_size, of_scene)
    split = (batch, views)
    pixels = pixels.unflatten(0, split).unflatten(2, (views, -1)).transpose(1, 2)
    seen = seen.unflatten(0, split).unflatten(2, (views, -1)).transpose(1, 2)
    return TruePlaces(pixels, seen, cameras, intrinsics, image_size, cell)
