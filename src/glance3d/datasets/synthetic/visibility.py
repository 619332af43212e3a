"""Which surface a pixel shows, and whether a camera sees a point: by rays, not by depth maps."""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.datasets.synthetic.raycast import ROOM, closest_primitive, rotate, trace
from glance3d.geometry.cameras import camera_centers, project_points
from glance3d.geometry.transforms import invert


def origins_in_shapes(
    local_from_world: Float[Tensor, "tiles shapes 3 4"], origin: Float[Tensor, "tiles 3"]
) -> Float[Tensor, "tiles shapes 3"]:
    """A point in every shape's own frame."""
    return (local_from_world[..., :3] @ origin[:, None, :, None])[..., 0] + local_from_world[..., 3]


def cast(
    local_from_world: Float[Tensor, "tiles shapes 3 4"],
    cam_from_world: Float[Tensor, "tiles 3 4"],
    intrinsics: Float[Tensor, "tiles 3 3"],
    pixels: Float[Tensor, "tiles rays 2"],
) -> tuple[Tensor, Tensor, Tensor]:
    """World points, z-depth and shape number behind pixels of centred cameras."""
    focal = intrinsics[:, None, 0, 0, None]
    xy = (pixels - intrinsics[:, None, :2, 2]) / focal
    world_from_cam = invert(cam_from_world)
    rotation, center = world_from_cam[..., :3], world_from_cam[..., 3]
    direction = rotate(rotation[:, None], (xy[..., 0], xy[..., 1], torch.ones_like(xy[..., 0])))
    depth, index = trace(
        origins_in_shapes(local_from_world, center), local_from_world[..., :3], direction
    )
    points = center[:, None] + depth[..., None] * torch.stack(direction, -1)
    return points, depth, index


def seen_by(
    local_from_world: Float[Tensor, "tiles shapes 3 4"],
    cam_from_world: Float[Tensor, "tiles 3 4"],
    intrinsics: Float[Tensor, "tiles 3 3"],
    size: tuple[int, int],
    points: Float[Tensor, "tiles points 3"],
) -> tuple[Float[Tensor, "tiles points 2"], Tensor]:
    """Pixels of world points, and whether they are in the image and nothing occludes them."""
    height, width = size
    pixels, depth = project_points(points, cam_from_world, intrinsics)
    x, y = pixels.unbind(-1)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height) & (depth > 1e-3)
    center = camera_centers(cam_from_world)
    direction = (points - center[:, None]).unbind(-1)
    local = origins_in_shapes(local_from_world, center)
    blocked, _ = closest_primitive(
        local[:, :ROOM],
        local_from_world[:, :ROOM, :, :3],
        (direction[0], direction[1], direction[2]),
        0.0,
    )
    return pixels, inside & (blocked > 0.999)
