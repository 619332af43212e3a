"""Points with their observations in several views, as bundle adjustment needs them.

Where a scene holds measured points (``scene.sparse``), they are what is exported: those tracks,
those pixels, nothing besides. Otherwise there are two kinds of points:

- Tracks of the network: it followed these pixels through the photos, so their observations are
  measurements, and their reprojection error says how well cameras, depth and tracks agree.
- Confident pixels of the depth maps. A point is observed at its own pixel, and in every other view
  whose depth map agrees that it is visible, at its projection there. Those observations tie the
  views together, but they are implied by the geometry and bring no new evidence: their error is 0.
"""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from glance3d.exporters.points.point_cloud import (
    confident_pixels,
    points_depth,
    select_points,
    to_processed,
)
from glance3d.geometry.cameras import camera_rays, project_points
from glance3d.geometry.filter import seen_by_depth, spread_sample, usable_depth
from glance3d.geometry.transforms import invert, transform_points
from glance3d.types import Cameras, Reconstruction, SparsePoints

_VISIBLE = 0.5
_CANDIDATES = 3
_ENOUGH = 1000


def has_measured_points(scene: Reconstruction) -> bool:
    """Whether the scene holds points that were triangulated from tracks through its photos."""
    return scene.sparse is not None and len(scene.sparse) > 0


def observation_errors(points: SparsePoints, cameras: Cameras) -> Float[Tensor, " observations"]:
    """Distance, in original pixels, of each observation from its point's projection; float64."""
    errors = torch.zeros(points.num_observations, dtype=torch.float64)
    for view in range(len(cameras)):
        in_view = points.view_indices == view
        projected, _ = project_points(
            points.points_world[points.point_indices[in_view]].double(),
            cameras.cam_from_world[view].double(),
            cameras.intrinsics[view].double(),
            radial_of(cameras, view),
        )
        errors[in_view] = (projected - points.pixels_original[in_view].double()).norm(dim=-1)
    return errors


def radial_of(cameras: Cameras, view: int) -> Float[Tensor, ""] | None:
    """One view's distortion in float64, None for pinholes."""
    return None if cameras.radial is None else cameras.radial[view].double()


def select_sparse_points(
    scene: Reconstruction, percentile: float, max_points: int, depth_agreement: float
) -> SparsePoints:
    """The measured points, whole; else tracks, then confident pixels, at most ``max_points``.

    Points that only one view sees are left out, because a single one of them makes COLMAP refuse
    to bundle-adjust the model. They are kept where there is little else: one photo, or views whose
    depth maps do not agree. A scene without points gives none. All are float64.
    """
    if scene.sparse is not None and has_measured_points(scene):
        return _sorted_by_view(scene.sparse)
    if scene.points_world is None:
        return _no_points()
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


def _sorted_by_view(points: SparsePoints) -> SparsePoints:
    order = points.view_indices.argsort(stable=True)
    return replace(
        points,
        points_world=points.points_world.double(),
        view_indices=points.view_indices[order],
        point_indices=points.point_indices[order],
        pixels_original=points.pixels_original[order].double(),
    )


def _no_points() -> SparsePoints:
    index, position = torch.zeros(0, dtype=torch.long), torch.zeros(0, 3, dtype=torch.float64)
    color = torch.zeros(0, 3, dtype=torch.uint8)
    return SparsePoints(position, color, index, index, position[:, :2])


def _subset(points: SparsePoints, kept: Int[Tensor, " kept"]) -> SparsePoints:
    new_index = torch.full((len(points.points_world),), -1)
    new_index[kept] = torch.arange(len(kept))
    renumbered = new_index[points.point_indices]
    is_kept = renumbered >= 0
    return SparsePoints(
        points.points_world[kept],
        points.colors[kept],
        points.view_indices[is_kept],
        renumbered[is_kept],
        points.pixels_original[is_kept],
    )


def _joined(first: SparsePoints, second: SparsePoints) -> SparsePoints:
    """Both, numbered one after the other and sorted by view."""
    return _sorted_by_view(
        SparsePoints(
            torch.cat([first.points_world, second.points_world]),
            torch.cat([first.colors, second.colors]),
            torch.cat([first.view_indices, second.view_indices]),
            torch.cat([first.point_indices, second.point_indices + len(first.points_world)]),
            torch.cat([first.pixels_original, second.pixels_original]),
        )
    )


def _from_pixels(
    scene: Reconstruction, percentile: float, max_points: int, depth_agreement: float
) -> SparsePoints:
    cloud = select_points(scene, percentile, max_points)
    points = cloud.points_world.double()
    confident, depth = confident_pixels(scene, percentile), points_depth(scene)
    every = torch.arange(len(points))
    views, indices, pixels = [cloud.view_indices], [every], [cloud.pixels_original]
    for view, placement in enumerate(scene.placements):
        is_seen, pixels_processed = seen_by_depth(
            points,
            torch.where(confident[view], depth[view], 0.0).double(),
            scene.cameras.cam_from_world[view].double(),
            placement.intrinsics_to_processed(scene.cameras.intrinsics[view].double()),
            depth_agreement,
            radial_of(scene.cameras, view),
        )
        others = every[is_seen & (cloud.view_indices != view)]
        views.append(torch.full_like(others, view))
        indices.append(others)
        pixels.append(placement.to_original(pixels_processed[others]))
    return SparsePoints(
        points, cloud.colors, torch.cat(views), torch.cat(indices), torch.cat(pixels)
    ).where_kept(scene.masks)


def _from_tracks(scene: Reconstruction, max_points: int) -> SparsePoints:
    """A point for each query that at least two views see, where its own view's depth puts it."""
    if scene.tracks is None:
        return _no_points()
    positions = scene.tracks.positions.double()
    num_queries = positions.shape[1]
    query_views = scene.tracks.query_views
    query_views = torch.zeros(num_queries).long() if query_views is None else query_views.long()
    at_query = (query_views, torch.arange(num_queries))
    sizes = torch.tensor([placement.original_size for placement in scene.placements])
    inside = ((positions >= 0) & (positions < sizes[:, None])).all(-1)
    points, colors, usable = surface_points(
        scene, query_views, positions[at_query], inside[at_query]
    )
    seen = inside & (scene.tracks.visibility > _VISIBLE)
    seen[at_query] = inside[at_query]  # where the query was placed, it was seen
    kept = (usable & (seen.sum(0) >= 2)).nonzero().squeeze(-1)
    kept = kept[spread_sample(len(kept), max_points)]
    views, indices = seen[:, kept].nonzero().unbind(-1)
    return SparsePoints(
        points[kept], colors[kept], views, indices, positions[:, kept][views, indices]
    )


def surface_points(
    scene: Reconstruction,
    views: Int[Tensor, " queries"],
    pixels_original: Float[Tensor, "queries 2"],
    inside: Bool[Tensor, " queries"],
) -> tuple[Float[Tensor, "queries 3"], UInt8[Tensor, "queries 3"], Bool[Tensor, " queries"]]:
    """World points and colours at exact pixels of the photos; where those photos' depth is usable.

    ``views`` says of which photo each pixel is.
    """
    depth = points_depth(scene)
    height, width = depth.shape[1:]
    pixels = torch.where(inside[:, None], pixels_original, 0.0)
    x, y = to_processed(pixels, scene.placements, views).floor().long().unbind(-1)
    at = (views, y.clamp(0, height - 1), x.clamp(0, width - 1))
    radial = scene.cameras.radial
    rays = camera_rays(
        pixels[:, None],
        scene.cameras.intrinsics.double()[views],
        None if radial is None else radial.double()[views],
    )
    world_from_cam = invert(scene.cameras.cam_from_world.double())[views]
    points = transform_points(world_from_cam, rays * depth[at].double()[:, None, None])[:, 0]
    usable = inside & scene.mask[at] & usable_depth(depth[at]) & points.isfinite().all(-1)
    return points, scene.colors[at], usable
