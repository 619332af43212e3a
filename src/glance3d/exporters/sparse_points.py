"""Points with their observations in several views, as bundle adjustment needs them.

Two kinds of points:

- Tracks, where the scene has them: the network followed these pixels through the photos, so their
  observations are measurements, and their reprojection error says how well cameras, depth and
  tracks agree.
- Confident pixels of the depth maps. A point is observed at its own pixel, and in every other view
  whose depth map agrees that it is visible, at its projection there. Those observations tie the
  views together, but they are implied by the geometry and bring no new evidence: their error is 0.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from glance3d.exporters.point_cloud import (
    confident_pixels,
    points_depth,
    select_points,
)
from glance3d.geometry.cameras import project_points
from glance3d.geometry.filter import seen_by_depth, spread_sample, usable_depth
from glance3d.geometry.transforms import invert, transform_points
from glance3d.types import Cameras, Reconstruction

_VISIBLE = 0.5
_CANDIDATES = 3
_ENOUGH = 1000


@dataclass(frozen=True)
class SparsePoints:
    """Points and, sorted by view, who sees which point where.

    Observation ``i`` says: the view ``view_indices[i]`` sees the point ``point_indices[i]`` at the
    pixel ``pixels_original[i]`` of its original photo. Every point has at least one.
    """

    points_world: Float[Tensor, "points 3"]
    colors: UInt8[Tensor, "points 3"]
    view_indices: Int[Tensor, " observations"]
    point_indices: Int[Tensor, " observations"]
    pixels_original: Float[Tensor, "observations 2"]
    cameras: Cameras

    @property
    def num_observations(self) -> int:
        """Of all points together."""
        return len(self.view_indices)

    def num_observations_of_each(self) -> Int[Tensor, " points"]:
        """How many views see each point."""
        return torch.bincount(self.point_indices, minlength=len(self.points_world))

    def index_in_view(self) -> Int[Tensor, " observations"]:
        """Each observation's place in its own view's list."""
        counts = torch.bincount(self.view_indices, minlength=len(self.cameras))
        starts = counts.cumsum(0) - counts
        return torch.arange(self.num_observations) - starts[self.view_indices]

    def errors(self) -> Float[Tensor, " points"]:
        """Mean distance, in original pixels, from a point's projections to its observations."""
        total = torch.zeros(len(self.points_world), dtype=torch.float64)
        for view in range(len(self.cameras)):
            own = self.view_indices == view
            projected, _ = project_points(
                self.points_world[self.point_indices[own]],
                self.cameras.cam_from_world[view].double(),
                self.cameras.intrinsics[view].double(),
            )
            distance = (projected - self.pixels_original[own]).norm(dim=-1)
            total.index_add_(0, self.point_indices[own], distance)
        return total / self.num_observations_of_each().clamp_min(1)


def select_sparse_points(
    scene: Reconstruction, percentile: float, max_points: int, depth_agreement: float
) -> SparsePoints:
    """Tracks first, then confident pixels, at most ``max_points`` together; all in float64.

    Points that only one view sees are left out, because a single one of them makes COLMAP refuse
    to bundle-adjust the model. They are kept where there is little else: one photo, or views whose
    depth maps do not agree. A scene without points gives none.
    """
    if scene.points_world is None:
        return _none(scene)
    tracked = _from_tracks(scene, max_points)
    num_left = max_points - len(tracked.points_world)
    # More candidates than wanted, so that the budget is filled with points that several views see.
    num_candidates = max_points * (_CANDIDATES if scene.num_views > 1 else 1)
    dense = _from_pixels(scene, percentile, num_candidates, depth_agreement)
    several = (dense.num_observations_of_each() > 1).nonzero().squeeze(-1)
    if len(several) >= min(_ENOUGH, num_left):
        kept = several[spread_sample(len(several), num_left)]
    else:
        kept = spread_sample(len(dense.points_world), num_left)
    return _joined(tracked, _subset(dense, kept))


def _none(scene: Reconstruction) -> SparsePoints:
    index, position = torch.zeros(0, dtype=torch.long), torch.zeros(0, 3, dtype=torch.float64)
    color = torch.zeros(0, 3, dtype=torch.uint8)
    return SparsePoints(position, color, index, index, position[:, :2], scene.cameras)


def _subset(points: SparsePoints, kept: Int[Tensor, " kept"]) -> SparsePoints:
    new_index = torch.full((len(points.points_world),), -1)
    new_index[kept] = torch.arange(len(kept))
    renumbered = new_index[points.point_indices]
    own = renumbered >= 0
    return SparsePoints(
        points.points_world[kept],
        points.colors[kept],
        points.view_indices[own],
        renumbered[own],
        points.pixels_original[own],
        points.cameras,
    )


def _joined(first: SparsePoints, second: SparsePoints) -> SparsePoints:
    """Both, numbered one after the other and sorted by view."""
    views = torch.cat([first.view_indices, second.view_indices])
    points = torch.cat([first.point_indices, second.point_indices + len(first.points_world)])
    order = views.argsort(stable=True)
    return SparsePoints(
        torch.cat([first.points_world, second.points_world]),
        torch.cat([first.colors, second.colors]),
        views[order],
        points[order],
        torch.cat([first.pixels_original, second.pixels_original])[order],
        first.cameras,
    )


def _from_pixels(
    scene: Reconstruction, percentile: float, max_points: int, depth_agreement: float
) -> SparsePoints:
    cloud = select_points(scene, percentile, max_points)
    points = cloud.points_world.double()
    depth = torch.where(confident_pixels(scene, percentile), points_depth(scene), 0.0).double()
    every = torch.arange(len(points))
    views, indices, pixels = [cloud.view_indices], [every], [cloud.pixels_original]
    for view, placement in enumerate(scene.placements):
        seen, at = seen_by_depth(
            points,
            depth[view],
            scene.cameras.cam_from_world[view].double(),
            placement.intrinsics_to_processed(scene.cameras.intrinsics[view].double()),
            depth_agreement,
        )
        others = every[seen & (cloud.view_indices != view)]
        views.append(torch.full_like(others, view))
        indices.append(others)
        pixels.append(placement.to_original(at[others]))
    return SparsePoints(
        points, cloud.colors, torch.cat(views), torch.cat(indices), torch.cat(pixels), scene.cameras
    )


def _from_tracks(scene: Reconstruction, max_points: int) -> SparsePoints:
    """A point for each query that at least two views see, where the reference's depth puts it."""
    if scene.tracks is None:
        return _none(scene)
    positions = scene.tracks.positions.double()
    sizes = torch.tensor([placement.original_size for placement in scene.placements])
    inside = ((positions >= 0) & (positions < sizes[:, None])).all(-1)
    points, colors, usable = _on_reference_surface(scene, positions[0], inside[0])
    seen = inside & (scene.tracks.visibility > _VISIBLE)
    seen[0] = inside[0]  # where the query was placed, it was seen
    kept = (usable & (seen.sum(0) >= 2)).nonzero().squeeze(-1)
    kept = kept[spread_sample(len(kept), max_points)]
    views, indices = seen[:, kept].nonzero().unbind(-1)
    return SparsePoints(
        points[kept],
        colors[kept],
        views,
        indices,
        positions[:, kept][views, indices],
        scene.cameras,
    )


def _on_reference_surface(
    scene: Reconstruction,
    pixels_original: Float[Tensor, "queries 2"],
    inside: Bool[Tensor, " queries"],
) -> tuple[Float[Tensor, "queries 3"], UInt8[Tensor, "queries 3"], Bool[Tensor, " queries"]]:
    """World points and colours at exact pixels of the first photo; where its depth is usable."""
    depth = points_depth(scene)[0].double()
    height, width = depth.shape
    on_grid = scene.placements[0].to_processed(torch.where(inside[:, None], pixels_original, 0.0))
    x, y = on_grid.floor().long().unbind(-1)
    x, y = x.clamp(0, width - 1), y.clamp(0, height - 1)
    intrinsics = scene.cameras.intrinsics[0].double()
    homogeneous = torch.cat([pixels_original, torch.ones_like(pixels_original[:, :1])], -1)
    rays = homogeneous @ torch.linalg.inv(intrinsics).T
    world_from_cam = invert(scene.cameras.cam_from_world[0].double())
    points = transform_points(world_from_cam, rays * depth[y, x, None])
    usable = inside & scene.mask[0, y, x] & usable_depth(depth[y, x])
    return points, scene.colors[0, y, x], usable
