"""Which pixels other views confirm: forward-backward consistency through their depth maps."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad

from glance3d.densification.views import SweepView
from glance3d.geometry.cameras import pixel_grid, project_points
from glance3d.geometry.free_space import depths_around

#: A pixel is no speckle if this share of the pixels around it lie on its surface ...
_SUPPORT = 0.3
#: ... within this relative distance in depth, looked at in a square of this radius.
_SUPPORT_RATIO, _SUPPORT_RADIUS, _SUPPORT_STRIDE = 0.05, 6, 2


def confirms(
    view: SweepView,
    depth: Float[Tensor, "height width"],
    other: SweepView,
    other_depth: Float[Tensor, "_height _width"],
    max_pixels: float,
    max_ratio: float,
) -> Bool[Tensor, "height width"]:
    """Where ``other`` sees the same surface as ``view`` does; depth 0 is no surface.

    A pixel's point is looked up in the other view's depth map, among the four pixels around it. The
    surface that the other view sees there is looked at from ``view``: the two agree if they lie
    within ``max_pixels`` of each other in its image, and ``max_ratio`` in depth.
    """
    points = view.points_world(depth).flatten(0, 1)
    pixels, z = project_points(points, other.cam_from_world, other.intrinsics, other.radial)
    around = depths_around(other_depth, torch.where((z > 0)[:, None], pixels, -1.0))
    nearest = torch.where(around > 0, (around - z).abs(), torch.inf).argmin(0, keepdim=True)
    surface = around.gather(0, nearest)[0]
    # Along the other view's line of sight, from the point to the surface that it sees.
    seen = other.center + (points - other.center) * (surface / z.clamp(min=1e-12))[:, None]
    pixels, seen_z = project_points(seen, view.cam_from_world, view.intrinsics, view.radial)
    error = (pixels - pixel_grid(*view.size).flatten(0, 1)).norm(dim=-1)
    own = depth.flatten()
    agrees = (error <= max_pixels) & ((seen_z - own).abs() <= max_ratio * own)
    return (agrees & (own > 0) & (surface > 0)).view_as(depth)


def without_speckles(
    depth: Float[Tensor, "height width"], kept: Bool[Tensor, "height width"]
) -> Bool[Tensor, "height width"]:
    """``kept`` without pixels that few kept pixels around them lie on one surface with."""
    radius = _SUPPORT_RADIUS
    height, width = depth.shape
    padded = pad(torch.where(kept, depth, torch.inf), (radius,) * 4, value=torch.inf)
    support, count = torch.zeros_like(depth), 0
    for dy in range(0, 2 * radius + 1, _SUPPORT_STRIDE):
        for dx in range(0, 2 * radius + 1, _SUPPORT_STRIDE):
            other = padded[dy : dy + height, dx : dx + width]
            support += (other - depth).abs_() <= _SUPPORT_RATIO * depth
            count += 1
    return kept & (support >= _SUPPORT * count)
