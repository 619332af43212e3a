"""Scenes whose true size is known, with what people know of it."""

import math
from dataclasses import replace

import pycolmap
import torch

from glance3d.geometry.rotations import so3_exp
from glance3d.geometry.similarity import Similarity
from glance3d.types import Cameras, PhotoMetadata, Placement, Reconstruction

BERN = (46.9481, 7.4474, 542.5)


def draw(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def scene_at(centers, depth=5.0, grid=(12, 16)):
    """Cameras at these places, looking anywhere, each before a wall at this z-depth."""
    num, (rows, columns) = len(centers), grid
    rotations = so3_exp(draw(1, num, 3))
    poses = torch.cat([rotations, -rotations @ centers.double()[..., None]], -1).float()
    size = (columns * 10, rows * 10)
    placement = Placement(size, (columns, rows), (0.1, 0.1))
    intrinsics = torch.tensor([[150.0, 0, size[0] / 2], [0, 150, size[1] / 2], [0, 0, 1]])
    return Reconstruction(
        names=tuple(f"{view:02}.jpg" for view in range(num)),
        sources=tuple(f"/photos/{view:02}.jpg" for view in range(num)),
        placements=(placement,) * num,
        cameras=Cameras(poses, intrinsics.expand(num, 3, 3), torch.tensor([size] * num)),
        colors=torch.zeros((num, rows, columns, 3), dtype=torch.uint8),
        mask=torch.ones((num, rows, columns), dtype=torch.bool),
        depth=torch.full((num, rows, columns), depth),
        points_world=torch.zeros((num, rows, columns, 3)),
        points_from="depth",
    )


ENU_FROM_SCENE = Similarity(4.0, so3_exp(draw(2, 3)), torch.zeros(3).double())


def with_gps(scene, noise=0.0, seed=3, wrong=(), truth=ENU_FROM_SCENE, height=True):
    """The scene with positions around Bern; ``wrong`` views are hundreds of metres off."""
    enu = truth.transform_points(scene.cameras.centers.double()) + noise * draw(
        seed, scene.num_views, 3
    )
    for view in wrong:
        enu[view] += torch.tensor([300.0, -200, 40]).double() * (1 + view)
    geodetic = pycolmap.GPSTransform(pycolmap.GPSTransformEllipsoid.WGS84).enu_to_ellipsoid(
        enu.numpy(), *BERN
    )
    metadata = tuple(
        PhotoMetadata(latitude=lat, longitude=lon, altitude=alt if height else None)
        for lat, lon, alt in geodetic.tolist()
    )
    return replace(scene, metadata=metadata)


def circle(num=12, radius=10.0, wobble=1.0):
    angle = torch.linspace(0, 2 * math.pi, num + 1).double()[:-1]
    height = wobble * torch.sin(3 * angle)
    return torch.stack([radius * angle.cos(), height, radius * angle.sin()], -1)
