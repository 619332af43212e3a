"""Tracks in 3-D: the position of a tracked point by each photo, and the cameras that see it."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8

from glance3d.exporters.points.sparse_points import has_measured_points, surface_points
from glance3d.exporters.presentation import level_of_detail_order
from glance3d.geometry.filter import spread_sample
from glance3d.geometry.similarity import Similarity
from glance3d.types import Reconstruction

MAX_TRACKS = 400
MAX_LINES = 600  # of measured points to their cameras; more would cover the scene
_VISIBLE = 0.5  # as in the COLMAP export
_GOLDEN = 0.618034  # turns of the colour circle between neighbours that stay far apart


@dataclass(frozen=True)
class TrackLines:
    """Segments of all tracks, and their points, in the display's world; a colour a track."""

    segments: Float[np.ndarray, "segments 2 3"]
    segment_colors: UInt8[np.ndarray, "segments 2 3"]
    points: Float[np.ndarray, "points 3"]
    point_colors: UInt8[np.ndarray, "points 3"]

    def __len__(self) -> int:
        return len(self.points)


def has_tracks(scene: Reconstruction) -> bool:
    """Whether the scene has tracks or measured points."""
    tracked = scene.tracks is not None and scene.points_world is not None
    return tracked or has_measured_points(scene)


def track_lines(scene: Reconstruction, display: Similarity) -> TrackLines:
    """The scene's tracks, at most ``MAX_TRACKS`` of them; measured ones where it has no other.

    Tracked points: one position for each photo that sees the point, by that photo's own depth,
    connected in the photos' order. Where depths agree the line is short, elsewhere long. Measured
    points: lines to the cameras that see them.
    """
    if scene.tracks is not None and scene.points_world is not None:
        return _tracked(scene, display)
    return _measured(scene, display)


def _tracked(scene: Reconstruction, display: Similarity) -> TrackLines:
    tracks = scene.tracks
    assert tracks is not None
    chosen = spread_sample(tracks.positions.shape[1], MAX_TRACKS)
    positions = tracks.positions[:, chosen].double()
    seen = tracks.visibility[:, chosen] > _VISIBLE
    sizes = torch.tensor([placement.original_size for placement in scene.placements])
    seen &= ((positions >= 0) & (positions < sizes[:, None])).all(-1)
    # Track after track, and each in the photos' order.
    queries, views = seen.T.nonzero().unbind(-1)
    everywhere = torch.ones(len(views), dtype=torch.bool)
    points, _, usable = surface_points(scene, views, positions[views, queries], everywhere)
    queries, points = queries[usable], points[usable]
    placed = display.transform_points(points).float().numpy()
    colors = _track_colors(len(chosen))[queries.numpy()]
    joined = (queries[1:] == queries[:-1]).numpy()
    segments = np.stack([placed[:-1][joined], placed[1:][joined]], 1)
    segment_colors = np.stack([colors[1:][joined]] * 2, 1)
    return TrackLines(segments.reshape(-1, 2, 3), segment_colors.reshape(-1, 2, 3), placed, colors)


def _measured(scene: Reconstruction, display: Similarity) -> TrackLines:
    sparse = scene.sparse
    assert sparse is not None
    # The longest tracks first; a random choice among equals.
    seen_by = sparse.num_observations_of_each()
    order = level_of_detail_order(len(sparse))
    ranked = order[seen_by[order].argsort(descending=True, stable=True)]
    chosen = ranked[seen_by[ranked].cumsum(0) <= MAX_LINES][:MAX_TRACKS]
    number = torch.full((len(sparse),), -1)
    number[chosen] = torch.arange(len(chosen))
    own = number[sparse.point_indices] >= 0
    tracks, views = number[sparse.point_indices[own]], sparse.view_indices[own]
    points = display.transform_points(sparse.points_world[chosen].double()).float().numpy()
    centers = display.transform_points(scene.cameras.centers.double()).float().numpy()
    colors = _track_colors(len(chosen))
    segments = np.stack([points[tracks], centers[views]], 1)
    return TrackLines(segments, np.stack([colors[tracks]] * 2, 1), points, colors)


def _track_colors(num_tracks: int) -> UInt8[np.ndarray, "tracks 3"]:
    import colorsys

    hues = (np.arange(num_tracks) * _GOLDEN) % 1
    rgb = [colorsys.hsv_to_rgb(hue, 0.8, 0.95) for hue in hues]
    return (np.array(rgb).reshape(-1, 3) * 255).round().astype(np.uint8)
