"""What views say of each other's surfaces: seen there too, or contradicted by seeing through."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.geometry.cameras import project_points
from glance3d.geometry.filter import spread_sample, usable_depth

_SAMPLE = 256


def depths_around(
    depth: Float[Tensor, "*batch height width"], pixels: Float[Tensor, "*batch points 2"]
) -> Float[Tensor, "*batch 4 points"]:
    """The depths of the four pixels around each position; 0 outside the image or where unknown."""
    height, width = depth.shape[-2:]
    inside = ((pixels >= 0) & (pixels < pixels.new_tensor([width, height]))).all(-1)
    corner = (torch.where(inside[..., None], pixels, 0.5) - 0.5).floor().long()
    x = torch.stack([corner[..., 0], corner[..., 0] + 1], -2).clamp_(0, width - 1)
    y = torch.stack([corner[..., 1], corner[..., 1] + 1], -2).clamp_(0, height - 1)
    places = (y[..., [0, 0, 1, 1], :] * width + x[..., [0, 1, 0, 1], :]).flatten(-2)
    around = depth.flatten(-2).gather(-1, places).unflatten(-1, (4, pixels.shape[-2]))
    return torch.where(inside[..., None, :] & usable_depth(around), around, 0.0)


def compare_with_surface(
    points_world: Float[Tensor, "points 3"],
    depth: Float[Tensor, "height width"],
    cam_from_world: Float[Tensor, "3 4"],
    intrinsics: Float[Tensor, "3 3"],
    radial: Float[Tensor, ""] | None,
    tolerance: float,
) -> tuple[Bool[Tensor, " points"], Bool[Tensor, " points"]]:
    """Which points lie on the surface that a view sees, and which float before it.

    A point lies on the surface if one of the four depths around its pixel is within ``tolerance``
    of the point's own, relatively; it floats before it if all four lie farther away: the view looks
    through the point. What is hidden, outside the image or before unknown depth is neither.
    """
    pixels, own = project_points(points_world, cam_from_world, intrinsics, radial)
    around = depths_around(depth, torch.where((own > 0)[:, None], pixels, -1.0))
    return compare_depths(around, own, tolerance)


def compare_depths(
    around: Float[Tensor, "*batch 4 points"], own: Float[Tensor, "*batch points"], tolerance: float
) -> tuple[Bool[Tensor, "*batch points"], Bool[Tensor, "*batch points"]]:
    """As :func:`compare_with_surface`, of points' own depths and those around their pixels."""
    near = (around - own[..., None, :]).abs() <= tolerance * own[..., None, :]
    seen = (near & (around > 0)).any(-2)
    through = (around > own[..., None, :] * (1 + tolerance)).all(-2)
    return seen, through


def overlapping_views(
    points_world: Float[Tensor, "views height width 3"],
    usable: Bool[Tensor, "views height width"],
    cam_from_world: Float[Tensor, "views 3 4"],
    intrinsics: Float[Tensor, "views 3 3"],
    radial: Float[Tensor, " views"] | None,
    max_views: int,
) -> list[list[int]]:
    """For each view the others whose images hold most of its points, at most ``max_views``."""
    num_views, height, width = usable.shape
    size = points_world.new_tensor([width, height])
    chosen = []
    for view in range(num_views):
        points = points_world[view][usable[view]]
        points = points[spread_sample(len(points), _SAMPLE)].expand(num_views, -1, -1)
        pixels, depth = project_points(points, cam_from_world, intrinsics, radial)
        inside = ((pixels >= 0) & (pixels < size)).all(-1) & (depth > 0)
        shared = inside.sum(-1)
        shared[view] = 0
        ranked = torch.argsort(shared, descending=True, stable=True)[:max_views]
        chosen.append([int(other) for other in ranked if shared[other] > 0])
    return chosen


def find_consistent(
    points_world: Float[Tensor, "views height width 3"],
    usable: Bool[Tensor, "views height width"],
    surfaces: Float[Tensor, "views height width"],
    cam_from_world: Float[Tensor, "views 3 4"],
    intrinsics: Float[Tensor, "views 3 3"],
    radial: Float[Tensor, " views"] | None,
    tolerance: float,
    min_contradictions: int,
    max_witnesses: int,
) -> Bool[Tensor, "views height width"]:
    """False for ``usable`` pixels through whose points others look, and that nobody confirms.

    The witnesses of a view are those of :func:`overlapping_views`; ``surfaces`` is what each of
    them sees (z-depth, 0: it says nothing). A pixel is refuted by ``min_contradictions`` of them,
    or by all there are where they are fewer, unless one of them sees its surface too.
    """
    cameras = cam_from_world, intrinsics, radial
    witnesses = overlapping_views(points_world, usable, *cameras, max_witnesses)
    consistent = torch.ones_like(usable)
    for view, others in enumerate(witnesses):
        points = points_world[view][usable[view]]
        confirmed = torch.zeros(len(points), dtype=torch.long)
        contradicted = torch.zeros_like(confirmed)
        for other in others:
            seen, through = compare_with_surface(
                points,
                surfaces[other],
                cam_from_world[other],
                intrinsics[other],
                None if radial is None else radial[other],
                tolerance,
            )
            confirmed += seen
            contradicted += through
        enough = max(1, min(min_contradictions, len(others)))
        consistent[view][usable[view]] = (confirmed > 0) | (contradicted < enough)
    return consistent
