"""Tracks in space."""

from dataclasses import replace

import numpy as np
import torch

from glance3d.viewer.display import upright_display
from glance3d.viewer.track_lines import MAX_LINES, has_tracks, track_lines
from tests.exporters.analytic import with_measured_points, with_tracks, without_points


def test_true_tracks_are_knots(scene):
    """Each photo's own depth puts the point at the same place."""
    tracked = with_tracks(scene)
    display = upright_display(tracked)
    lines = track_lines(tracked, display)
    assert len(lines) > len(scene.names)
    lengths = np.linalg.norm(lines.segments[:, 1] - lines.segments[:, 0], axis=1)
    # Depth is known at the middle of a grid's pixel, and the points lie beside it.
    assert np.median(lengths) < 0.05
    assert np.array_equal(lines.segment_colors[:, 0], lines.segment_colors[:, 1])


def test_a_hidden_observation_is_not_drawn(scene):
    tracked = with_tracks(scene)
    all_seen = replace(
        tracked, tracks=replace(tracked.tracks, visibility=torch.ones(scene.num_views, 3))
    )
    display = upright_display(scene)
    hidden = len(track_lines(all_seen, display)) - len(track_lines(tracked, display))
    assert hidden in (0, 1)  # 0 where the point lies outside of the last photo anyway
    none = replace(tracked.tracks, visibility=torch.zeros(scene.num_views, 3))
    assert len(track_lines(replace(tracked, tracks=none), display)) == 0


def test_measured_points_are_tied_to_the_cameras_that_see_them(scene):
    measured = with_measured_points(scene)
    display = upright_display(measured)
    lines = track_lines(measured, display)
    assert 0 < len(lines.segments) <= MAX_LINES
    centers = display.transform_points(scene.cameras.centers.double()).numpy()
    away = np.linalg.norm(lines.segments[:, 1, None] - centers[None], axis=2).min(1)
    assert away.max() < 1e-4


def test_what_has_no_tracks(scene):
    assert not has_tracks(scene)
    assert not has_tracks(without_points(with_tracks(scene)))
    assert has_tracks(with_tracks(scene))
    assert has_tracks(with_measured_points(scene))
