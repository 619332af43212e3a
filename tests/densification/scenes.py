"""Photos of textured planes, ray-cast without error, and the scenes that they make."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from glance3d.geometry.cameras import camera_rays, pixel_grid
from glance3d.geometry.transforms import invert
from glance3d.types import Cameras, Placement, Reconstruction, SparsePoints

Texture = Callable[[Tensor], Tensor]


def waves(points: Tensor) -> Tensor:
    """Grey of world points: sixty plane waves of all directions, smooth and never repeating."""
    generator = torch.Generator().manual_seed(3)
    directions = torch.nn.functional.normalize(torch.randn(60, 3, generator=generator), dim=-1)
    lengths = torch.rand(60, generator=generator) * 0.35 + 0.12
    phases = torch.rand(60, generator=generator) * 6.28
    value = torch.sin(points @ (directions * 6.28 / lengths[:, None]).T + phases).mean(-1)
    return (0.5 + 1.6 * value).clamp(0, 1)


def blank(points: Tensor) -> Tensor:
    """A wall with nothing to see."""
    return torch.full(points.shape[:-1], 0.6)


@dataclass(frozen=True)
class Patch:
    """The part of the plane z = depth + slope x where |x| and |y| are at most ``half``."""

    depth: float
    slope: float = 0.0
    half: float = 1e6
    texture: Texture = waves


def ray_cast(patches: Sequence[Patch], cameras: Cameras, view: int) -> tuple[np.ndarray, Tensor]:
    """An upright photo (uint8) and its true z-depth."""
    width, height = cameras.image_sizes[view].tolist()
    radial = None if cameras.radial is None else cameras.radial[view]
    pixels = pixel_grid(height, width).flatten(0, 1)
    rays = camera_rays(pixels, cameras.intrinsics[view], radial)
    world_from_cam = invert(cameras.cam_from_world[view])
    directions, origin = rays @ world_from_cam[:, :3].T, world_from_cam[:, 3]
    depth, grey = torch.full((len(rays),), torch.inf), torch.zeros(len(rays))
    for patch in patches:
        reach = patch.depth + patch.slope * origin[0] - origin[2]
        distance = reach / (directions[:, 2] - patch.slope * directions[:, 0])
        points = origin + distance[:, None] * directions
        hit = (distance > 0) & (distance < depth) & (points[:, :2].abs() <= patch.half).all(-1)
        depth = torch.where(hit, distance, depth)
        grey = torch.where(hit, patch.texture(points), grey)
    photo = (grey * 255).round().to(torch.uint8).view(height, width, 1).expand(-1, -1, 3)
    return photo.numpy().copy(), depth.view(height, width)


def row_of_cameras(
    count: int,
    sizes: Sequence[tuple[int, int]] = ((120, 90),),
    spacing: float = 0.3,
    radial: float | None = None,
) -> Cameras:
    """Cameras side by side at z = 0 that all look along z; sizes are taken in turn."""
    chosen = [sizes[index % len(sizes)] for index in range(count)]
    poses, intrinsics = [], []
    for index, (width, height) in enumerate(chosen):
        pose = torch.eye(3, 4)
        pose[0, 3] = -spacing * (index - (count - 1) / 2)
        focal = 1.1 * (width * height) ** 0.5
        poses.append(pose)
        intrinsics.append(
            torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
        )
    return Cameras(
        torch.stack(poses),
        torch.stack(intrinsics),
        torch.tensor(chosen),
        radial=None if radial is None else torch.full((count,), radial),
    )


def build_scene(
    patches: Sequence[Patch], cameras: Cameras, guessed_depth: float
) -> tuple[Reconstruction, list[np.ndarray], list[Tensor]]:
    """A scene whose network saw 24 x 24 pixels and a flat wall; its photos; their true depth."""
    cast = [ray_cast(patches, cameras, view) for view in range(len(cameras))]
    count, grid = len(cameras), 24
    names = tuple(f"{view}.png" for view in range(count))
    placements = tuple(
        Placement((width, height), (grid, grid), (grid / width, grid / height))
        for width, height in cameras.image_sizes.tolist()
    )
    scene = Reconstruction(
        names=names,
        sources=names,
        placements=placements,
        cameras=cameras,
        colors=torch.zeros(count, grid, grid, 3, dtype=torch.uint8),
        mask=torch.ones(count, grid, grid, dtype=torch.bool),
        depth=torch.full((count, grid, grid), guessed_depth),
        confidence=torch.arange(count * grid * grid).float().view(count, grid, grid),
    )
    return scene, [photo for photo, _ in cast], [depth for _, depth in cast]


def sparse_points(cameras: Cameras, depths: Sequence[Tensor], step: int = 12) -> SparsePoints:
    """True points of a raster of pixels, each observed by the view whose pixel it is."""
    points, views, pixels = [], [], []
    for view, depth in enumerate(depths):
        height, width = depth.shape
        at = pixel_grid(height, width)[::step, ::step].flatten(0, 1)
        radial = None if cameras.radial is None else cameras.radial[view]
        rays = camera_rays(at, cameras.intrinsics[view], radial)
        world_from_cam = invert(cameras.cam_from_world[view])
        in_camera = rays * depth[::step, ::step].flatten()[:, None]
        points.append(in_camera @ world_from_cam[:, :3].T + world_from_cam[:, 3])
        views.append(torch.full((len(at),), view))
        pixels.append(at)
    every = torch.cat(points)
    return SparsePoints(
        every,
        torch.zeros(len(every), 3, dtype=torch.uint8),
        torch.cat(views),
        torch.arange(len(every)),
        torch.cat(pixels),
    )
