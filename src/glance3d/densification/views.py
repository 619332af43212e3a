"""The photos as densification sees them: grey, each on its own grid, with its camera there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from torch import Tensor
from torch.nn.functional import grid_sample

from glance3d.errors import InputError
from glance3d.geometry.cameras import camera_rays, pixel_grid
from glance3d.geometry.distortion import distort
from glance3d.geometry.transforms import compose, invert
from glance3d.multiview.plane_sweep import PlaneWarp
from glance3d.types import Cameras, Placement

_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class SweepView:
    """One photo on its grid, and its camera there.

    ``grey`` runs from -0.5 to 0.5; ``rays`` are what its pixels look at, in the camera's frame,
    with z = 1. ``pinhole`` is ``grey`` without the lens's distortion, as a pinhole camera of the
    same ``intrinsics`` would have seen it: that is what other views are compared with. ``kept`` is
    1 where the photo's mask lets ``grey`` count, and 0 elsewhere, ``pinhole_kept`` the same for
    ``pinhole``; None: all of it does.
    """

    grey: Float[Tensor, "height width"]
    pinhole: Float[Tensor, "height width"]
    rays: Float[Tensor, "height width 3"]
    intrinsics: Float[Tensor, "3 3"]
    cam_from_world: Float[Tensor, "3 4"]
    radial: Float[Tensor, ""] | None = None
    kept: Float[Tensor, "height width"] | None = None
    pinhole_kept: Float[Tensor, "height width"] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.grey.shape[0], self.grey.shape[1]

    @property
    def center(self) -> Float[Tensor, "3"]:
        """Where the camera stands, in the world."""
        return invert(self.cam_from_world)[:, 3]

    def points_world(self, depth: Float[Tensor, "height width"]) -> Float[Tensor, "height width 3"]:
        """World points of a z-depth map."""
        world_from_cam = invert(self.cam_from_world)
        return (self.rays * depth[..., None]) @ world_from_cam[:, :3].T + world_from_cam[:, 3]


def build_view(
    colors: UInt8[Tensor, "height width 3"],
    cameras: Cameras,
    view: int,
    keep: Bool[Tensor, "height width"] | None = None,
) -> SweepView:
    """A view of a photo on its grid; ``cameras`` and the mask ``keep`` are those on the grids."""
    height, width = colors.shape[:2]
    intrinsics = cameras.intrinsics[view]
    radial = None if cameras.radial is None else cameras.radial[view]
    pixels = pixel_grid(height, width).flatten(0, 1)
    # Where the lens lets no ray arrive (NaN) a ray of 0 makes a point that nothing confirms.
    rays = camera_rays(pixels, intrinsics, radial).nan_to_num(0).unflatten(0, (height, width))
    grey = colors.float() @ torch.tensor(_LUMA) / 255 - 0.5
    kept = None if keep is None else keep.float()
    pinhole, pinhole_kept = grey, kept
    if radial is not None and bool(radial != 0):
        straight = camera_rays(pixels, intrinsics)
        pinhole = _undistorted(grey, straight, intrinsics, radial)
        pinhole_kept = None if kept is None else _undistorted(kept, straight, intrinsics, radial)
    pose = cameras.cam_from_world[view]
    return SweepView(grey, pinhole, rays, intrinsics, pose, radial, kept, pinhole_kept)


def _undistorted(
    grey: Float[Tensor, "height width"],
    rays: Float[Tensor, "pixels 3"],
    intrinsics: Float[Tensor, "3 3"],
    radial: Float[Tensor, ""],
) -> Float[Tensor, "height width"]:
    """``grey`` where the lens put what a pinhole camera's ``rays`` look at."""
    height, width = grey.shape
    seen = distort(rays[:, :2], radial)
    seen = torch.cat([seen, rays[:, 2:]], -1) @ intrinsics.T
    positions = seen[:, :2] * 2 / seen.new_tensor([width, height]) - 1
    sampled = grid_sample(
        grey[None, None],
        positions.view(1, height, width, 2),
        padding_mode="border",
        align_corners=False,
    )
    return sampled[0, 0]


def plan_grids(sizes: Sequence[tuple[int, int]], max_pixels: int) -> tuple[Placement, ...]:
    """Photos of these (width, height) on one canvas, each at most ``max_pixels``, none enlarged.

    Each lies in the canvas's top left corner; the canvas is as wide as the widest and as high as
    the highest of them.
    """
    if max_pixels < 64:
        raise InputError(f"max_pixels must be at least 64 to show anything, got {max_pixels}")
    shown = []
    for width, height in sizes:
        scale = min(1.0, (max_pixels / (width * height)) ** 0.5)
        shown.append((max(1, round(width * scale)), max(1, round(height * scale))))
    canvas = max(width for width, _ in shown), max(height for _, height in shown)
    return tuple(
        Placement(size, canvas, (new[0] / size[0], new[1] / size[1]))
        for size, new in zip(sizes, shown, strict=True)
    )


def shown_size(placement: Placement) -> tuple[int, int]:
    """(width, height) of a photo on its grid."""
    (width, height), (scale_x, scale_y) = placement.original_size, placement.scale
    return round(width * scale_x), round(height * scale_y)


def shrink(
    photo: UInt8[np.ndarray, "_height _width 3"], placement: Placement
) -> UInt8[Tensor, "height width 3"]:
    """A photo's pixels on its own part of the canvas, each the mean of what it covers."""
    image = Image.fromarray(photo)
    if image.size != placement.original_size:
        raise InputError(
            f"got a photo of {image.size} pixels where the scene has {placement.original_size} "
            "(width, height): give the photos that were reconstructed, upright"
        )
    size = shown_size(placement)
    if size != image.size:
        image = image.resize(size, Image.Resampling.BOX)
    return torch.from_numpy(np.array(image))


def warp_between(reference: SweepView, other: SweepView) -> PlaneWarp:
    """From pixels of ``reference`` to the pinhole image of ``other``."""
    world_from_cam = invert(reference.cam_from_world.double())
    relative = compose(other.cam_from_world.double(), world_from_cam)
    return PlaneWarp.between(reference.rays, relative, other.intrinsics, other.size)
