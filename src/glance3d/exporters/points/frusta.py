"""Cameras as wire frusta: where each photo was taken, and what it saw."""

import colorsys
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from glance3d.exporters.points.point_cloud import PointCloud
from glance3d.exporters.points.sparse_points import radial_of
from glance3d.geometry.cameras import camera_rays
from glance3d.geometry.transforms import invert, transform_points
from glance3d.types import Reconstruction

# The centre is vertex 0, the photo's corners follow clockwise from the top left; two more lines
# form a roof over the photo's upper edge, so that one sees which way is up.
_EDGES = torch.tensor(
    [[0, 1], [0, 2], [0, 3], [0, 4], [1, 2], [2, 3], [3, 4], [4, 1], [1, 5], [5, 2]]
)


@dataclass(frozen=True)
class Frusta:
    """Line segments of all cameras, in the world frame."""

    vertices: Float[Tensor, "vertices 3"]
    colors: UInt8[Tensor, "vertices 3"]
    edges: Int[Tensor, "edges 2"]


def camera_frusta(scene: Reconstruction, cloud: PointCloud | None) -> Frusta:
    """A frustum a view, from red (the first) around the colour circle in the photos' order."""
    points = torch.zeros(0, 3) if cloud is None else cloud.points_world
    size = frustum_size(scene.cameras.centers.double(), points.double())
    vertices, colors, edges = [], [], []
    for view in range(scene.num_views):
        corners = _frustum(scene, view, size)
        rgb = colorsys.hsv_to_rgb(0.85 * view / scene.num_views, 0.85, 0.95)
        color = torch.tensor([round(255 * channel) for channel in rgb], dtype=torch.uint8)
        edges.append(_EDGES + len(corners) * view)
        vertices.append(corners)
        colors.append(color.expand(len(corners), 3))
    return Frusta(torch.cat(vertices), torch.cat(colors), torch.cat(edges))


def _frustum(scene: Reconstruction, view: int, size: float) -> Float[Tensor, "6 3"]:
    width, height = scene.placements[view].original_size
    corners = torch.tensor(
        [[0, 0], [width, 0], [width, height], [0, height], [width / 2, -height / 5]],
        dtype=torch.float64,
    )
    intrinsics = scene.cameras.intrinsics[view].double()
    rays = camera_rays(corners, intrinsics, radial_of(scene.cameras, view))
    # No ray may reach a corner of a strongly bent photo: its frustum is then drawn straight.
    rays = torch.where(rays.isfinite(), rays, camera_rays(corners, intrinsics))
    in_camera = torch.cat([torch.zeros(1, 3, dtype=torch.float64), rays * size])
    return transform_points(invert(scene.cameras.cam_from_world[view].double()), in_camera).float()


def frustum_size(centers: Float[Tensor, "views 3"], points: Float[Tensor, "points 3"]) -> float:
    """How deep to draw: small against the scene, and neighbours do not cover each other."""
    bounds = []
    if len(points) > 0:
        bounds.append(0.08 * (points - centers[0]).norm(dim=-1).median().item())
    if len(centers) > 1:
        spacing = torch.cdist(centers, centers).fill_diagonal_(torch.inf).amin(1).median().item()
        if not bounds:
            return 0.5 * spacing if spacing > 0 else 1.0
        # Views from almost one place would otherwise get frusta too small to be seen.
        bounds.append(max(0.5 * spacing, 0.25 * bounds[0]))
    return min(bounds, default=1.0)
