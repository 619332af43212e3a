"""Photos with their matches: verified pairs that true cameras confirm, as COLMAP holds them."""

from pathlib import Path

import numpy as np
import pycolmap
import pytest

from glance3d.images import Originals
from glance3d.multiview.view_graph import epipolar_errors
from glance3d.refinement import RefineOptions
from glance3d.refinement.matching.database import copy_with_cameras
from glance3d.refinement.matching.matched_photos import MatchedPhotos, match_photos
from glance3d.refinement.matching.view_graph import read_view_graph
from glance3d.types import Reconstruction
from tests.refinement.rendered import Room, arc, build_scene

FEW = RefineOptions(max_features=500)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Reconstruction:
    return build_scene([Room()] * 3, arc(5)[1:4], tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def matched(scene: Reconstruction, tmp_path_factory: pytest.TempPathFactory) -> MatchedPhotos:
    return match_photos(scene, Originals(scene), tmp_path_factory.mktemp("matched"), FEW)


def test_true_cameras_explain_the_matches_of_every_pair(
    scene: Reconstruction, matched: MatchedPhotos
) -> None:
    graph = matched.view_graph
    assert {(pair.first, pair.second) for pair in graph.pairs} == {(0, 1), (0, 2), (1, 2)}
    for pair in graph.pairs:
        assert len(pair) > 50
        assert np.median(epipolar_errors(pair, scene.cameras)) < 1


def test_the_view_graph_is_what_pycolmap_reads(matched: MatchedPhotos) -> None:
    database = pycolmap.Database.open(matched.database)
    try:
        for pair in matched.view_graph.pairs:
            ids = matched.image_ids[pair.first], matched.image_ids[pair.second]
            rows = database.read_two_view_geometry(*ids).inlier_matches
            pixels = database.read_keypoints(ids[0])[rows[:, 0], :2]
            np.testing.assert_array_equal(pair.pixels_first, pixels.astype(np.float64))
    finally:
        database.close()


def test_other_cameras_keep_features_and_matches(matched: MatchedPhotos, tmp_path: Path) -> None:
    own = matched.initial_cameras.assign(shared=False)
    copy = tmp_path / "own.db"
    assert copy_with_cameras(matched.database, copy, own) == list(matched.image_ids)
    copied = read_view_graph(copy, matched.image_ids)
    for pair, other in zip(matched.view_graph.pairs, copied.pairs, strict=True):
        np.testing.assert_array_equal(pair.pixels_second, other.pixels_second)
    database = pycolmap.Database.open(copy)
    try:
        assert len(database.read_all_cameras()) == 3
    finally:
        database.close()


def test_without_features_nothing_is_matched(scene: Reconstruction, tmp_path: Path) -> None:
    tracks_only = RefineOptions(correspondences="tracks")
    empty = match_photos(scene, Originals(scene), tmp_path, tracks_only)
    assert (empty.view_graph.num_views, empty.view_graph.pairs) == (3, ())
