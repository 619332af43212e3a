"""Epipolar errors are pixels, and none where true cameras took the photos."""

import numpy as np
import pytest

from glance3d.multiview.view_graph import (
    VerifiedPair,
    ViewGraph,
    epipolar_errors,
    view_epipolar_errors,
)
from tests.refinement.verified_pairs import graph_of, true_cameras


def test_matches_lie_on_the_epipolar_lines_of_true_cameras() -> None:
    for pair in graph_of(true_cameras(), noise=0.0).pairs:
        assert epipolar_errors(pair, true_cameras()).max() < 1e-3


def test_an_epipolar_error_is_in_pixels() -> None:
    pair = graph_of(true_cameras(2), noise=0.0).pairs[0]
    up = VerifiedPair(0, 1, pair.pixels_first, pair.pixels_second + np.array([0.0, 2.0]), False)
    # Half of the two pixels each, as the first-order distance to both images shares them.
    assert epipolar_errors(up, true_cameras(2)) == pytest.approx(np.full(len(up), 2**0.5), rel=0.1)


def test_a_view_without_matches_has_no_error() -> None:
    graph = ViewGraph(5, graph_of(true_cameras()).pairs)
    errors = view_epipolar_errors(graph, true_cameras(5))
    assert errors[4] == float("inf")
