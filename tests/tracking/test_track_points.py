"""The front door: photos or a scene, queries of any photo."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import glance3d
from glance3d.errors import ImageError, InputError, WeightsError
from glance3d.exporters import load_scene
from glance3d.models import VGGT, build_model
from glance3d.models.config import da3_tiny, glance_small, vggt_1b
from glance3d.tracking import METHODS, estimate_correspondences, track
from glance3d.tracking.methods import finer_preprocessing, resolve_method, thresholds_of
from glance3d.training.run.checkpoint import export_weights
from glance3d.types import Reconstruction, ViewTrust

FIT = {"max_pixels": 4704}


def test_photos_become_a_scene_with_tracks(network: VGGT, photos: Path):
    queries = [("view2.png", 10.5, 20.5), (0, 30, 30), (2, 60, 90.0)]
    scene = track(photos, queries, model=network, by="network", preprocess=FIT)
    tracks = scene.tracks
    assert tracks.positions.shape == (3, 3, 2)
    assert tracks.query_views.tolist() == [1, 0, 2]
    own = tracks.positions[tracks.query_views, torch.arange(3)]
    assert own.tolist() == [[10.5, 20.5], [30, 30], [60, 90]]
    assert (tracks.visibility[tracks.query_views, torch.arange(3)] == 1).all()
    assert scene.depth is not None
    assert scene.report.tracks.by == "network"


def test_cameras_and_depth_are_those_of_a_reconstruction(network: VGGT, photos: Path):
    alone = glance3d.reconstruct(photos, model=network, preprocess=FIT)
    tracked = track(photos, [(1, 5, 5)], model=network, by="network", preprocess=FIT)
    torch.testing.assert_close(tracked.cameras.cam_from_world, alone.cameras.cam_from_world)
    torch.testing.assert_close(tracked.depth, alone.depth)


def test_queries_of_the_reference_are_those_of_a_reconstruction(network: VGGT, photos: Path):
    pixels = [[10.5, 20.5], [70.0, 40.0]]
    alone = glance3d.reconstruct(photos, model=network, preprocess=FIT, query_points=pixels)
    queries = [(0, *pixel) for pixel in pixels]
    tracked = track(photos, queries, model=network, by="network", preprocess=FIT)
    positions, known = tracked.tracks.positions, alone.tracks.positions
    torch.testing.assert_close(positions, known, rtol=1e-4, atol=1e-2)


def test_a_file_of_weights_is_followed_as_its_network_is_best(photos: Path, tmp_path: Path):
    export_weights(build_model(glance_small()), tmp_path / "mine.safetensors")
    mine, small = tmp_path / "mine.safetensors", {"max_pixels": 96 * 64}
    scene = track(photos, grid=2, model=mine, device="cpu", preprocess=small)
    assert scene.report.tracks.by == "matching"


@pytest.mark.parametrize("by", ["network", "matching", "geometry"])
def test_a_scene_keeps_all_but_its_tracks(network: VGGT, scene: Reconstruction, by: str):
    tracked = track(scene, grid=3, query_view=1, by=by, model=network, preprocess=FIT)
    assert tracked.tracks.positions.shape[0] == 4
    assert set(tracked.tracks.query_views.tolist()) == {1}
    kept = replace(tracked, tracks=None, report=scene.report)
    for name in ("names", "sources", "placements"):
        assert getattr(kept, name) == getattr(scene, name)
    for name in ("depth", "colors", "points_world"):
        assert torch.equal(getattr(kept, name), getattr(scene, name))
    assert torch.equal(kept.cameras.cam_from_world, scene.cameras.cam_from_world)


def test_tracks_of_any_view_come_back_from_a_file(scene: Reconstruction, tmp_path: Path):
    tracked = track(scene, [("d.webp", 200, 100), (0, 5, 5)], by="geometry")
    glance3d.export(tracked, tmp_path / "scene.npz")
    again = load_scene(tmp_path).tracks
    torch.testing.assert_close(again.positions, tracked.tracks.positions, equal_nan=True)
    assert again.query_views.tolist() == [3, 0]


def test_photos_in_memory(network: VGGT):
    pictures = [np.full((64, 96, 3), 40 * i, np.uint8) for i in range(2)]
    scene = track(pictures, [(1, 3, 3)], model=network, by="matching", preprocess=FIT)
    assert scene.tracks.positions.shape == (2, 1, 2)


def test_matching_looks_more_closely_unless_told_otherwise(photos: Path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "glance3d.tracking.track_points.predict_with_features",
        lambda network, batch, outputs=(): seen.append(batch.images.shape[-2:]) or stop(),
    )

    def stop() -> None:
        raise InterruptedError

    network = glance3d.load_model("glance-small", device="cpu")
    network.preprocessing = replace(network.preprocessing, max_pixels=128 * 128)
    with pytest.raises(InterruptedError):
        track(glance3d.reconstruct(photos, model=network), [(0, 3, 3)], model=network)
    assert 200 * 200 < seen[0][0] * seen[0][1] <= 256 * 256
    assert finer_preprocessing("network", network.preprocessing) == network.preprocessing


def test_photos_that_are_gone_are_found_beside_the_scene(
    network: VGGT, photos: Path, tmp_path: Path
):
    scene = glance3d.reconstruct(photos, model=network, preprocess=FIT)
    moved = photos.rename(tmp_path / "elsewhere")
    with pytest.raises(ImageError, match=r"view1\.png"):
        track(scene, [(0, 3, 3)], model=network, preprocess=FIT)
    tracked = track(scene, [(0, 3, 3)], model=network, preprocess=FIT, originals=moved)
    assert tracked.tracks is not None


def test_what_is_wrong_is_said_before_a_network_is_loaded(scene: Reconstruction):
    with pytest.raises(InputError, match=r"outside the photo a\.jpg"):
        track(scene, [(0, 5000, 3)], weights="no-such-file.safetensors")
    with pytest.raises(WeightsError, match="unknown model 'no-such-model'"):
        track(scene, [(0, 3, 3)], model="no-such-model")
    with pytest.raises(InputError, match="by must be auto or one of network, matching, geometry"):
        track(scene, [(0, 3, 3)], by="magic")
    for queries, grid in ((None, None), ([(0, 3, 3)], 4)):
        with pytest.raises(InputError, match="either queries"):
            track(scene, queries, grid=grid)


def test_the_best_method_is_looked_up(scene: Reconstruction):
    assert resolve_method("auto", glance_small(), None) == "matching"
    assert resolve_method("auto", vggt_1b(), None) == "network"
    assert resolve_method("auto", vggt_1b(), scene) == "network"
    sure, guess = (
        ViewTrust(by, 9, 0.5, 1.0, 1.0, "good", "") for by in ("bundle adjustment", "similarity")
    )
    densified = replace(scene, measured=scene.mask, trust=(sure,) * 4)
    doubtful = replace(densified, trust=(sure, sure, guess, sure))
    assert resolve_method("auto", vggt_1b(), doubtful) == "network"
    assert resolve_method("auto", vggt_1b(), densified) == "geometry"
    assert resolve_method("network", vggt_1b(), densified) == "network"


def test_a_network_without_a_tracker_leaves_geometry(photos: Path):
    network = build_model(da3_tiny()).eval().requires_grad_(False)
    scene = track(photos, [(1, 30, 30)], model=network, preprocess=FIT)
    assert scene.tracked_by == "geometry"
    assert scene.tracks.positions.shape == (3, 1, 2)
    again = track(scene, [(0, 20, 20)], model=network)
    assert again.tracked_by == "geometry"
    for by in ("network", "matching"):
        with pytest.raises(InputError, match=f"by must be geometry for da3-tiny.*got '{by}'"):
            track(scene, [(0, 20, 20)], model=network, by=by)
    batch = glance3d.load_images(photos, network.preprocessing)
    with pytest.raises(InputError, match="must have a tracker where there is no scene"):
        estimate_correspondences(network, batch)


def test_thresholds_can_be_changed_within_reason():
    assert thresholds_of("matching") == METHODS["matching"].thresholds
    assert thresholds_of("matching", min_confidence=0.1).min_confidence == 0.1
    with pytest.raises(InputError, match="min_visibility must be from 0 to 1, got 2"):
        thresholds_of("network", 2.0)


def test_one_photo_has_nothing_to_follow_to(network: VGGT, tmp_path: Path):
    Image.new("RGB", (96, 64), (9, 99, 9)).save(tmp_path / "a.png")
    for by in METHODS:
        scene = track(tmp_path, [(0, 3, 3)], model=network, by=by, preprocess=FIT)
        assert scene.tracks.positions.tolist() == [[[3, 3]]]
