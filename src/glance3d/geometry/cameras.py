"""Cameras: projection, unprojection, field of view, and intrinsics of a resized image.

Pinholes, unless ``radial`` (k1 of :mod:`glance3d.geometry.distortion`, one a camera) is given.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.distortion import distort, undistort
from glance3d.geometry.transforms import invert, transform_points


def camera_centers(cam_from_world: Float[Tensor, "*batch 3 4"]) -> Float[Tensor, "*batch 3"]:
    """Where the cameras stand, in the world frame."""
    return invert(cam_from_world)[..., 3]


def intrinsics_from_fov(
    fov_y: Float[Tensor, "*batch"], fov_x: Float[Tensor, "*batch"], height: int, width: int
) -> Float[Tensor, "*batch 3 3"]:
    """Pinhole intrinsics in pixels from fields of view in radians.

    Convention: the principal point is the image centre, (width / 2, height / 2).
    """
    return intrinsics_from_tangents(torch.tan(fov_y / 2), torch.tan(fov_x / 2), height, width)


def intrinsics_from_tangents(
    tangent_y: Float[Tensor, "*batch"], tangent_x: Float[Tensor, "*batch"], height: int, width: int
) -> Float[Tensor, "*batch 3 3"]:
    """As :func:`intrinsics_from_fov`, from the tangents of half the fields of view."""
    intrinsics = tangent_y.new_zeros((*tangent_y.shape, 3, 3))
    intrinsics[..., 0, 0] = (width / 2) / tangent_x
    intrinsics[..., 1, 1] = (height / 2) / tangent_y
    intrinsics[..., 0, 2] = width / 2
    intrinsics[..., 1, 2] = height / 2
    intrinsics[..., 2, 2] = 1.0
    return intrinsics


def scale_intrinsics(
    intrinsics: Float[Tensor, "*batch 3 3"],
    scale_xy: Float[Tensor, "*#batch 2"],
    offset_xy: Float[Tensor, "*#batch 2"],
) -> Float[Tensor, "*batch 3 3"]:
    """Intrinsics of the image whose pixels are ``pixel * scale + offset`` of this one's.

    Convention: pixel coordinates with the top-left pixel's centre at (0.5, 0.5), under which a
    resize is a pure scale.
    """
    affine = torch.zeros_like(intrinsics)
    affine[..., 0, 0] = scale_xy[..., 0]
    affine[..., 1, 1] = scale_xy[..., 1]
    affine[..., 0, 2] = offset_xy[..., 0]
    affine[..., 1, 2] = offset_xy[..., 1]
    affine[..., 2, 2] = 1.0
    return affine @ intrinsics


def project_points(
    points_world: Float[Tensor, "*batch points 3"],
    cam_from_world: Float[Tensor, "*batch 3 4"],
    intrinsics: Float[Tensor, "*batch 3 3"],
    radial: Float[Tensor, "*batch"] | None = None,
) -> tuple[Float[Tensor, "*batch points 2"], Float[Tensor, "*batch points"]]:
    """Pixels and z-depth of world points. Pixels mean nothing where the depth is not positive."""
    points_cam = transform_points(cam_from_world, points_world)
    depth = points_cam[..., 2]
    safe_depth = torch.where(depth.abs() < 1e-12, torch.full_like(depth, 1e-12), depth)
    if radial is not None:
        seen = distort(points_cam[..., :2] / safe_depth.unsqueeze(-1), radial)
        seen = torch.cat([seen, torch.ones_like(seen[..., :1])], -1)
        return (seen @ intrinsics.transpose(-1, -2))[..., :2], depth
    projected = points_cam @ intrinsics.transpose(-1, -2)
    return projected[..., :2] / safe_depth.unsqueeze(-1), depth


def camera_rays(
    pixels: Float[Tensor, "*batch points 2"],
    intrinsics: Float[Tensor, "*batch 3 3"],
    radial: Float[Tensor, "*batch"] | None = None,
) -> Float[Tensor, "*batch points 3"]:
    """What pixels look at, in the camera's frame: rays with z = 1, points when times z-depth.

    NaN where ``radial`` lets no ray arrive (beyond the fold of a barrel distortion).
    """
    focal = torch.stack([intrinsics[..., 0, 0], intrinsics[..., 1, 1]], -1)[..., None, :]
    on_plane = (pixels - intrinsics[..., None, :2, 2]) / focal
    skew = intrinsics[..., None, 0, 1]
    x, y = on_plane[..., 0] - skew / focal[..., 0] * on_plane[..., 1], on_plane[..., 1]
    if radial is not None:
        x, y = undistort(torch.stack([x, y], -1), radial).unbind(-1)
    return torch.stack([x, y, torch.ones_like(x)], -1)


def pixel_grid(
    height: int, width: int, pixel_origin: float = 0.5, device: torch.device | None = None
) -> Float[Tensor, "height width 2"]:
    """Pixel-centre coordinates (x, y); the top-left one is ``pixel_origin``."""
    y = torch.arange(height, dtype=torch.float32, device=device) + pixel_origin
    x = torch.arange(width, dtype=torch.float32, device=device) + pixel_origin
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


def unproject_depth(
    depth: Float[Tensor, "*batch height width"],
    cam_from_world: Float[Tensor, "*batch 3 4"],
    intrinsics: Float[Tensor, "*batch 3 3"],
    pixel_origin: float = 0.5,
    radial: Float[Tensor, "*batch"] | None = None,
) -> Float[Tensor, "*batch height width 3"]:
    """World points of a z-depth map; NaN where ``radial`` lets no ray arrive.

    Convention: ``pixel_origin`` is the coordinate of the top-left pixel's centre: 0.5 here as in
    COLMAP; the published VGGT code uses 0.0 (integer pixels) with the same principal point.
    """
    height, width = depth.shape[-2:]
    pixels = pixel_grid(height, width, pixel_origin, depth.device).flatten(0, 1)
    pixels = pixels.expand(*depth.shape[:-2], *pixels.shape)
    points_cam = camera_rays(pixels, intrinsics, radial) * depth.flatten(-2)[..., None]
    points = transform_points(invert(cam_from_world), points_cam)
    return points.unflatten(-2, (height, width))
