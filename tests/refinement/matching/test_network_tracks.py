"""Tracks become matches that are verified like all others, and cameras follow from them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from glance3d.images import Originals
from glance3d.models import VGGT, build_model
from glance3d.models.config import tiny
from glance3d.multiview.view_graph import epipolar_errors
from glance3d.refinement import RefineOptions, refine
from glance3d.refinement.matching import network_tracks
from glance3d.refinement.matching.matched_photos import match_photos
from glance3d.refinement.matching.network_tracks import add_network_tracks
from glance3d.tracking import Correspondences
from glance3d.types import Reconstruction
from tests.refinement.rendered import Room, arc, build_scene, with_tracks
from tests.refinement.test_refine import lost, worst_error_deg


@pytest.fixture(scope="module")
def network() -> VGGT:
    """Never run: its tracks are those of ``true_tracks``."""
    return build_model(tiny())


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Reconstruction:
    return build_scene([Room()] * 5, arc(5), tmp_path_factory.mktemp("photos"))


@pytest.fixture
def true_tracks(truth: Reconstruction, monkeypatch: pytest.MonkeyPatch) -> Correspondences:
    """What the network answers: true places with noise, and every tenth track in a wrong place."""
    sparse = with_tracks(truth, num_points=600).sparse
    assert sparse is not None
    order = np.lexsort((sparse.view_indices.numpy(), sparse.point_indices.numpy()))
    views, points = sparse.view_indices[order], sparse.point_indices[order]
    pixels = sparse.pixels_original[order].clone()
    wrong = points % 10 == 0
    pixels[wrong] += 30 * torch.randn(
        int(wrong.sum()), 2, generator=torch.Generator().manual_seed(0)
    )
    tracks = Correspondences(views, points, pixels, torch.ones(len(views)))
    monkeypatch.setattr(network_tracks, "estimate_correspondences", lambda *_, **__: tracks)
    return tracks


def test_tracks_join_the_matches_of_sift(
    truth: Reconstruction, true_tracks: Correspondences, network: VGGT, tmp_path: Path
) -> None:
    photos = Originals(truth)
    sift = match_photos(truth, photos, tmp_path, RefineOptions(max_features=300))
    both = add_network_tracks(sift, network, photos)
    assert both.database != sift.database
    of_sift = {(pair.first, pair.second): len(pair) for pair in sift.view_graph.pairs}
    of_both = {(pair.first, pair.second): len(pair) for pair in both.view_graph.pairs}
    assert all(of_both[pair] > count for pair, count in of_sift.items())


def test_wrong_tracks_are_no_verified_matches(
    truth: Reconstruction, true_tracks: Correspondences, network: VGGT, tmp_path: Path
) -> None:
    options, photos = RefineOptions(correspondences="tracks"), Originals(truth)
    tracked = add_network_tracks(match_photos(truth, photos, tmp_path, options), network, photos)
    for pair in tracked.view_graph.pairs:
        errors = epipolar_errors(pair, truth.cameras)
        assert np.median(errors) < 1
        assert (errors > 10).mean() < 0.02


def test_cameras_follow_from_tracks_alone(
    truth: Reconstruction, true_tracks: Correspondences, network: VGGT
) -> None:
    options = RefineOptions(correspondences="tracks")
    scene = refine(lost(truth), options=options, network=network, densify=False)
    assert worst_error_deg(scene.cameras, truth) < 1.0
