"""What is measured beside the network: which methods, on which scenes, from what."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from glance3d.errors import InputError
from glance3d.evaluation import EvaluationReport, colmap_process, evaluate, photo_set, synthetic_set
from glance3d.evaluation.colmap_baseline import predict_by_colmap
from glance3d.evaluation.methods import METHODS, choose_methods, methods_for
from glance3d.evaluation.metrics import fov_error_deg, relative_pose_errors
from glance3d.evaluation.predictions import ScenePrediction, prediction_of_scene
from glance3d.evaluation.score import score_scene
from glance3d.images import Preprocessing
from glance3d.models import load_model
from glance3d.types import Cameras, Placement, Reconstruction, ViewTrust
from tests.evaluation.test_evaluate import SMALL, truth_of

FIT = Preprocessing(mode="fit", max_pixels=70 * 70, patch_size=14)


def textured_wall(generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Blobs of many sizes, which features are found on."""
    width, height = size
    wall = np.zeros((height, width, 3))
    for cell in (4, 8, 16, 32):
        coarse = generator.integers(0, 255, (height // cell + 2, width // cell + 2, 3), np.uint8)
        blown = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        wall += np.asarray(blown, dtype=float) / 4
    return wall


@pytest.fixture(scope="module")
def walls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five photos of two walls, one behind the other, by a camera that moves sideways."""
    folder = tmp_path_factory.mktemp("sets") / "walls"
    (folder / "images").mkdir(parents=True)
    generator = np.random.default_rng(1)
    near, far = (textured_wall(generator, (500, 240)) for _ in range(2))
    views = []
    for index in range(5):
        picture = far[:, 8 * index + 50 :][:, :320].copy()
        picture[130:] = near[130:, 24 * index + 30 :][:, :320]
        picture[:, 160:][:60] = near[:60, 24 * index + 190 :][:, :160]
        name = f"images/{index:03d}.jpg"
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / name, quality=95)
        views.append(
            {
                "image": name,
                "size": [320, 240],
                "intrinsics": [[300, 0, 160], [0, 300, 120], [0, 0, 1]],
                "cam_from_world": [[1, 0, 0, -index], [0, 1, 0, 0], [0, 0, 1, 0]],
            }
        )
    (folder / "cameras.json").write_text(json.dumps({"name": "walls", "views": views}))
    return folder


def test_a_method_brings_the_ones_it_starts_from():
    names = [method.name for method in choose_methods(["colmap", "densified"])]
    assert names == ["network", "refined", "densified", "colmap"]
    with pytest.raises(InputError, match="unknown method magic: choose from network, refined"):
        choose_methods(["magic"])


def test_rendered_scenes_are_left_to_methods_that_need_no_photos():
    (scene, *_) = synthetic_set(SMALL, num_scenes=1).scenes
    names = [method.name for method in methods_for(scene, list(METHODS.values()))]
    assert names == ["network", "trivial"]


@pytest.fixture(scope="module")
def report(tiny_weights, walls, tmp_path_factory) -> EvaluationReport:
    """All methods on a rendered scene and on the walls."""
    model = load_model(str(tiny_weights), device="cpu", precision="float32")
    sets = [synthetic_set(SMALL, num_scenes=1), photo_set(walls, FIT)]
    return evaluate(model, sets, tmp_path_factory.mktemp("evaluation"), methods=list(METHODS))


@pytest.mark.long
def test_all_methods_side_by_side(report):
    rendered, photographed = report.sets
    assert list(rendered.scores) == ["network", "trivial"]
    assert list(photographed.scores) == list(METHODS)
    refined, densified = photographed.scores["refined"], photographed.scores["densified"]
    # Densifying leaves the cameras alone, and says where it measured.
    assert densified.pose_auc_at_30deg == refined.pose_auc_at_30deg
    assert not photographed.refinement_lost
    assert refined.registered_share == densified.registered_share > 0.5
    assert 0 <= refined.trusted_share <= 1
    attempts = photographed.attempts["refined"]
    assert attempts
    assert not photographed.attempts["network"]
    # One of the attempts is what was chosen, adjusted once more.
    assert (
        max(one.num_photos for one in attempts) / photographed.num_views >= refined.registered_share
    )
    assert max(one.pose_auc_at_30deg for one in attempts) > 0.5
    assert refined.seconds > 0
    table = report.to_table()
    assert "5/5" in table
    text = json.dumps(report.to_dict(), allow_nan=False)
    assert METHODS["densified"].about in text


@pytest.mark.long
def test_a_loss_by_refinement_is_said(report):
    _, row = report.sets
    better = replace(row.scores["network"], pose_auc_at_30deg=0.8)
    worse = replace(better, pose_auc_at_30deg=0.77)
    lost = replace(report, sets=(replace(row, scores={**row.scores, "network": better}),))
    assert "Refined worse" not in lost.to_table()
    scores = {**row.scores, "network": better, "refined": worse}
    lost = replace(report, sets=(replace(row, scores=scores),))
    assert "Refined worse than the network by more than 0.02 AUC@30: walls" in lost.to_table()


def test_colmap_registers_photos_and_says_which(walls, tmp_path):
    (scene,) = photo_set(walls, FIT).scenes
    prediction = predict_by_colmap(scene)
    assert prediction.registered is not None
    assert prediction.registered.sum() >= 3
    assert torch.equal(
        prediction.cam_from_world.isfinite().flatten(1).all(1), prediction.registered
    )
    assert torch.equal(prediction.intrinsics.isfinite().flatten(1).all(1), prediction.registered)
    assert math.isnan(score_scene(prediction, scene).depth_absrel_scale_aligned)


def test_colmap_without_a_model_has_no_pose(photos):
    views = [
        {
            "image": path.name,
            "size": list(Image.open(path).size),
            "intrinsics": [[90, 0, 48], [0, 90, 32], [0, 0, 1]],
            "cam_from_world": [[1, 0, 0, -index], [0, 1, 0, 0], [0, 0, 1, 0]],
        }
        for index, path in enumerate(sorted(photos.iterdir()))
    ]
    (photos / "cameras.json").write_text(json.dumps({"views": views}))
    (scene,) = photo_set(photos, FIT).scenes
    prediction = predict_by_colmap(scene)
    assert prediction.cam_from_world.isnan().all()
    scores = score_scene(prediction, scene)
    assert scores.pose_auc_at_30deg == 0
    assert scores.rotation_error_deg_median == 180
    assert scores.registered_share == 0
    assert math.isnan(scores.fov_error_deg)


def test_a_view_without_a_pose_spoils_its_own_pairs_only():
    truth = torch.eye(3, 4).repeat(3, 1, 1)
    truth[:, 0, 3] = torch.tensor([0.0, -1.0, -3.0])
    predicted = truth.clone()
    predicted[1] = torch.nan
    errors = relative_pose_errors(predicted, truth)
    assert errors.worse.tolist() == [180.0, 0.0, 180.0]


def test_views_without_intrinsics_have_no_field_of_view():
    truth = torch.tensor([[100.0, 0, 50], [0, 100, 50], [0, 0, 1]]).repeat(2, 1, 1)
    predicted = truth.clone()
    predicted[0] = torch.nan
    assert fov_error_deg(predicted, truth, torch.full((2, 2), 100.0)) == 0


def finer_scene() -> Reconstruction:
    """One 4 x 2 photo, its depth on a grid twice as fine with padding on the right."""
    depth = torch.zeros(1, 4, 10)
    depth[0, :, :8] = torch.arange(1.0, 9.0)
    measured = torch.zeros(1, 4, 10, dtype=torch.bool)
    measured[0, :, 4:8] = True
    return Reconstruction(
        names=("a.jpg",),
        sources=("a.jpg",),
        placements=(Placement((4, 2), (10, 4), (2.0, 2.0)),),
        cameras=Cameras(torch.eye(3, 4)[None], torch.eye(3)[None], torch.tensor([[4, 2]])),
        colors=torch.zeros(1, 4, 10, 3, dtype=torch.uint8),
        mask=torch.ones(1, 4, 10, dtype=torch.bool),
        depth=depth,
        measured=measured,
        trust=(ViewTrust("bundle adjustment", 50, 0.3, 0.9, None, "good", "enough"),),
        registered_by=("bundle adjustment",),
    )


def test_depth_on_a_finer_grid_comes_back_to_original_pixels():
    prediction = prediction_of_scene(finer_scene())
    assert prediction.measured is not None
    assert [tuple(depth.shape) for depth in prediction.depth] == [(2, 4)]
    # Every original pixel's centre falls between two of the finer ones.
    assert ((prediction.depth[0] - torch.tensor([1.5, 3.5, 5.5, 7.5])).abs() <= 0.5).all()
    assert prediction.measured[0].tolist() == [[False, False, True, True]] * 2
    assert prediction.registered is not None
    assert prediction.registered.tolist() == [True]
    assert prediction.trusted is not None
    assert prediction.trusted.tolist() == [True]


def test_claimed_depth_is_scored_by_itself():
    (scene, *_) = synthetic_set(SMALL, num_scenes=1).scenes
    truth = truth_of(scene)
    half = []
    depth = []
    for one, true in zip(truth.depth, scene.depth, strict=True):
        assert true is not None
        known = true > 0
        claimed = known & (torch.arange(true.shape[1]) < true.shape[1] / 2)
        depth.append(torch.where(claimed, one, 7 * one))
        half.append(claimed)
    prediction = ScenePrediction(
        truth.cam_from_world, truth.intrinsics, tuple(depth), tuple(half), seconds=2.0
    )
    scores = score_scene(prediction, scene)
    assert scores.measured_delta_125_scale_aligned == 1
    assert scores.depth_delta_125_scale_aligned < 0.9
    total = sum(float((true > 0).sum()) for true in scene.depth if true is not None)
    share = sum(float(claimed.sum()) for claimed in half) / total
    assert scores.measured_share == pytest.approx(share)
    assert math.isnan(scores.registered_share)
    assert math.isnan(scores.trusted_auc_at_5deg)
    assert scores.seconds == 2


def test_photos_judged_good_are_scored_by_themselves():
    (scene, *_) = synthetic_set(SMALL, num_scenes=1).scenes
    truth = truth_of(scene)
    wrong = truth.cam_from_world.clone()
    wrong[0, :, 3] += torch.tensor([30.0, -80.0, 10.0])
    prediction = replace(truth, cam_from_world=wrong, trusted=torch.tensor([False, True, True]))
    scores = score_scene(prediction, scene)
    assert scores.pose_auc_at_5deg < 0.9
    assert scores.trusted_auc_at_5deg == pytest.approx(1)
    assert scores.trusted_share == pytest.approx(2 / 3)


def test_a_crash_of_colmap_is_its_own(walls, monkeypatch, tmp_path, caplog):
    (scene,) = photo_set(walls, FIT).scenes
    crashing = tmp_path / "crashing.py"
    crashing.write_text("import os\nos.abort()")
    monkeypatch.setattr(colmap_process, "__file__", str(crashing))
    prediction = predict_by_colmap(scene)
    assert prediction.registered is not None
    assert not prediction.registered.any()
    assert caplog.text.count("pycolmap ended with -6") == 2
