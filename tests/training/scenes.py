"""Small scenes with exact truth, made without a renderer."""

import math

import torch

from glance3d.datasets import MultiViewSample
from glance3d.geometry.cameras import intrinsics_from_fov, project_points, unproject_depth


def make_sample(
    batch: int = 2, views: int = 3, size: int = 56, queries: int = 16, seed: int = 0
) -> MultiViewSample:
    """Random pictures and cameras; a wavy depth; queries followed through a static world."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator)

    fov = torch.full((batch, views), math.radians(60))
    intrinsics = intrinsics_from_fov(fov, fov, size, size)
    rotation = torch.linalg.matrix_exp(_skew(uniform(batch, views, 3, low=-0.2, high=0.2)))
    translation = uniform(batch, views, 3, 1, low=-0.5, high=0.5)
    cameras = torch.cat([rotation, translation], -1)
    depth = uniform(batch, views, 1, 1, low=2, high=3).expand(batch, views, size, size).clone()
    depth += 0.3 * torch.sin(torch.arange(size) / 5.0)
    points = unproject_depth(depth[:, 0], cameras[:, 0], intrinsics[:, 0]).flatten(1, 2)
    chosen = torch.randint(size * size, (batch, queries), generator=generator)
    world = torch.gather(points, 1, chosen[..., None].expand(-1, -1, 3))
    world = world[:, None].expand(-1, views, -1, -1)
    tracks, _ = project_points(world, cameras, intrinsics)
    inside = ((tracks > 0.5) & (tracks < size - 0.5)).all(-1)
    return MultiViewSample(
        images=uniform(batch, views, 3, size, size),
        cam_from_world=cameras,
        intrinsics=intrinsics,
        depth=depth,
        valid=uniform(batch, views, size, size) > 0.1,
        query_points=tracks[:, 0],
        tracks=tracks,
        visibility=inside,
    )


def _skew(vector: torch.Tensor) -> torch.Tensor:
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
