import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from glance3d.cli.evaluate import DataFlags, Options, build_sets
from glance3d.datasets import SyntheticConfig
from glance3d.errors import ImageError, InputError
from glance3d.evaluation import evaluate, photo_set, score_sets, synthetic_set
from glance3d.evaluation.methods import choose_methods, run_methods
from glance3d.evaluation.predictions import (
    AttemptPoses,
    ScenePrediction,
    load_prediction,
    save_prediction,
)
from glance3d.evaluation.score import mean_scores, score_scene
from glance3d.images import Preprocessing
from glance3d.models import load_model

SHARED = Path(__file__).parents[3] / "shared" / "data"
SMALL = SyntheticConfig(
    images_per_batch=6,
    num_views=(3, 3),
    max_pixels=70 * 70,
    size_multiple=14,
    aspect_ratio=(1.0, 1.0),
    num_textures=16,
    texture_size=64,
)
FIT = Preprocessing(mode="fit", max_pixels=70 * 70, patch_size=14)


@pytest.fixture(scope="module")
def synthetic():
    return synthetic_set(SMALL, num_scenes=3)


@pytest.fixture(scope="module")
def model(tiny_weights):
    return load_model(str(tiny_weights), device="cpu", precision="float32")


@pytest.fixture
def photo_folder(tmp_path: Path) -> Path:
    """Three photos of different sizes; cameras one step apart; a depth map for the second."""
    folder = tmp_path / "table"
    (folder / "images").mkdir(parents=True)
    random = np.random.default_rng(0)
    views = []
    for index, (width, height) in enumerate(((60, 40), (60, 40), (40, 60))):
        pixels = random.integers(0, 255, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{index:03d}.png")
        views.append(
            {
                "image": f"images/{index:03d}.png",
                "size": [width, height],
                "intrinsics": [[50, 0, width / 2], [0, 50, height / 2], [0, 0, 1]],
                "cam_from_world": [[1, 0, 0, -index], [0, 1, 0, 0], [0, 0, 1, 0]],
            }
        )
    Image.fromarray(np.full((40, 60), 2000, np.uint16)).save(folder / "depth.png")
    views[1]["depth"] = "depth.png"
    record = {"name": "table", "units": "metre", "metric": True, "depth_scale": 1e-3}
    (folder / "cameras.json").write_text(json.dumps({**record, "views": views}))
    return folder


def truth_of(scene) -> ScenePrediction:
    """The right answer, at another scale and in another world."""
    move = torch.eye(4)
    move[:3, 3] = torch.tensor([1.0, 2.0, 3.0])
    cameras = scene.cameras.cam_from_world @ move
    cameras[..., 3] *= 5
    blank = [torch.ones(h, w) for w, h in scene.cameras.image_sizes.tolist()]
    depth = tuple(
        5 * truth if truth is not None else one
        for truth, one in zip(scene.depth, blank, strict=True)
    )
    tracks = None if scene.tracks is None else scene.tracks.positions
    return ScenePrediction(cameras, scene.cameras.intrinsics, depth, tracks=tracks)


def test_the_truth_scores_perfectly_in_any_world_and_scale(synthetic, photo_folder):
    scenes = [*synthetic.scenes, *photo_set(photo_folder, FIT).scenes]
    for scene in scenes:
        scores = score_scene(truth_of(scene), scene)
        assert scores.pose_auc_at_5deg == pytest.approx(1)
        assert scores.fov_error_deg == 0
        assert scores.depth_absrel_scale_aligned == pytest.approx(0, abs=1e-6)
        assert scores.depth_delta_125_scale_aligned == 1
        assert math.isnan(scores.track_within_3px) == scene.has_photos
        if scene.tracks is not None:
            assert scores.track_within_3px == 1
            assert scores.track_error_px_median == 0


def test_synthetic_and_photos_end_to_end(model, synthetic, photo_folder, tmp_path):
    sets = [synthetic, photo_set(photo_folder, FIT)]
    report = evaluate(model, sets, tmp_path / "out")
    assert [row.name for row in report.sets] == ["synthetic", "table"]
    assert [row.num_views for row in report.sets] == [9, 3]
    for row in report.sets:
        assert 0 <= row.scores["network"].pose_auc_at_30deg <= 1
        assert row.scores["network"].depth_absrel_scale_aligned > 0
        assert row.scores["network"].seconds > 0
    followed, stayed = report.sets[0].scores.values()
    assert 0 <= followed.track_within_3px <= 1
    assert stayed.track_error_px_median > 3
    # The baseline's cameras, unit steps to the right, are this set's truth.
    assert report.sets[1].scores["trivial"].pose_auc_at_5deg == 1
    assert not report.sets[1].cameras_beat_trivial
    table = report.to_table()
    assert "table" in table.splitlines()[3]
    assert "not clearly better" in table
    json.dumps(report.to_dict(), allow_nan=False)
    again = score_sets(sets, tmp_path / "out", "tiny")
    assert again.to_dict() == report.to_dict()


def test_sets_of_one_name_are_measured_each_by_its_own_predictions(model, photo_folder, tmp_path):
    sets = [photo_set(photo_folder, FIT)]
    few = sets[0].scenes[0].of_views([0, 1], "table")
    sets.append(replace(sets[0], scenes=(few,)))
    report = evaluate(model, sets, tmp_path / "out")
    alone = [evaluate(model, [one]) for one in sets]
    for row, (own,) in zip(report.sets, [one.sets for one in alone], strict=True):
        mine, its = row.scores["network"], own.scores["network"]
        assert mine.pose_auc_at_30deg == its.pose_auc_at_30deg
        assert mine.fov_error_deg == its.fov_error_deg


@pytest.mark.parametrize("name", ["../../../../elsewhere", "{tmp}/elsewhere", "a/b", "", "."])
def test_what_a_set_calls_itself_is_no_path(model, photo_folder, tmp_path, name):
    own = name.replace("{tmp}", str(tmp_path))
    file = photo_folder / "cameras.json"
    file.write_text(file.read_text().replace('"name": "table"', f'"name": "{own}"'))
    evaluate(model, [photo_set(photo_folder, FIT)], tmp_path / "in" / "it" / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "table"]
    assert len(list((tmp_path / "in" / "it" / "out").glob("*/*/*.npz"))) == 2


def same_predictions(one: ScenePrediction, other: ScenePrediction) -> bool:
    assert one.measured is not None
    assert other.measured is not None
    maps = zip((*one.depth, *one.measured), (*other.depth, *other.measured), strict=True)
    return (
        torch.equal(one.cam_from_world, other.cam_from_world)
        and torch.equal(one.intrinsics, other.intrinsics)
        and all(torch.equal(a, b) for a, b in maps)
        and torch.equal(one.registered, other.registered)
        and torch.equal(one.trusted, other.trusted)
        and one.seconds == other.seconds
        and torch.equal(one.tracks, other.tracks)
        and [a.name for a in one.attempts] == [a.name for a in other.attempts]
        and all(
            torch.equal(a.cam_from_world, b.cam_from_world)
            for a, b in zip(one.attempts, other.attempts, strict=True)
        )
    )


def test_predictions_come_back_from_disk(tmp_path):
    depth = (torch.rand(4, 6), torch.rand(6, 4))
    prediction = ScenePrediction(
        torch.rand(2, 3, 4),
        torch.rand(2, 3, 3),
        depth,
        tuple(one > 0.5 for one in depth),
        torch.tensor([True, False]),
        torch.tensor([False, True]),
        1.5,
        torch.rand(2, 5, 2),
        tuple(AttemptPoses(name, torch.rand(2, 3, 4)) for name in ("from pairs", "again")),
    )
    path = tmp_path / "set" / "scene.npz"
    save_prediction(prediction, path)
    assert same_predictions(load_prediction(path), prediction)
    bare = ScenePrediction(prediction.cam_from_world, prediction.intrinsics, depth)
    save_prediction(bare, path)
    loaded = load_prediction(path)
    assert loaded.measured is loaded.registered is loaded.trusted is None
    assert math.isnan(loaded.seconds)


def test_predicted_intrinsics_speak_of_the_original_photo(model, photo_folder):
    (scene,) = photo_set(photo_folder, FIT).scenes
    ((_, prediction),) = run_methods(model, scene, choose_methods(["network"]))
    # The tiny network says about one radian along each side, whatever the photo's shape.
    for matrix, (width, height) in zip(
        prediction.intrinsics, scene.cameras.image_sizes.tolist(), strict=True
    ):
        assert float(matrix[0, 2]) == pytest.approx(width / 2, abs=width * 0.05)
        assert float(matrix[1, 2]) == pytest.approx(height / 2, abs=height * 0.05)
    assert [tuple(depth.shape) for depth in prediction.depth] == [(40, 60), (40, 60), (60, 40)]


def test_fewer_views_are_evenly_spaced(photo_folder):
    fewer = photo_set(photo_folder, FIT, max_views=2)
    assert fewer.about == "2 of 3 photos"
    assert fewer.scenes[0].cameras.cam_from_world[:, 0, 3].tolist() == [0, -1]


def test_windows_are_scenes_of_neighbours_with_their_truth(model, photo_folder):
    whole = photo_set(photo_folder, FIT)
    windows = whole.in_windows(2)
    assert windows.name == f"{whole.name} by 2"
    first, second = windows.scenes
    assert first.name != second.name
    assert second.batch.names == whole.scenes[0].batch.names[1:]
    assert torch.equal(second.batch.images, whole.scenes[0].batch.images[1:])
    assert torch.equal(second.cameras.intrinsics, whole.scenes[0].cameras.intrinsics[1:])
    assert second.depth == whole.scenes[0].depth[1:]
    assert whole.in_windows(3).scenes == ()
    options = Options(sets=(photo_folder,), data=DataFlags(window=2, synthetic_scenes=0))
    assert [one.name for one in build_sets(options, model)] == [whole.name, windows.name]
    [alone] = build_sets(replace(options, data=replace(options.data, window=3)), model)
    assert alone.name == whole.name
    with pytest.raises(InputError, match="at least 2 views, got 1"):
        whole.in_windows(1)


def test_a_photo_of_another_size_than_its_camera_is_refused(photo_folder):
    Image.new("RGB", (30, 20)).save(photo_folder / "images" / "000.png")
    with pytest.raises(ImageError, match=r"000\.png must be 60 x 40 .* got 30 x 20"):
        photo_set(photo_folder, FIT)


def test_synthetic_scenes_are_the_same_each_time(synthetic):
    again = synthetic_set(SMALL, num_scenes=3)
    assert torch.equal(again.scenes[2].batch.images, synthetic.scenes[2].batch.images)
    assert len(again.scenes) == 3


def test_synthetic_pictures_are_made_ready_as_photos_are(synthetic):
    shown = Preprocessing(max_pixels=150 * 150)
    as_photos = synthetic_set(SMALL, num_scenes=3, preprocessing=shown)
    for drawn, scene in zip(synthetic.scenes, as_photos.scenes, strict=True):
        (size,) = {place.original_size for place in scene.batch.placements}
        assert size == drawn.batch.placements[0].original_size
        assert scene.batch.names == drawn.batch.names
        height, width = scene.batch.images.shape[-2:]
        assert size[0] * size[1] < 0.8 * height * width <= 150 * 150
        # Enlarged and then reduced again, it is the picture that was drawn.
        small = F.interpolate(scene.batch.images, size[::-1], mode="area")
        assert (small - drawn.batch.images).abs().mean() < 0.05
        assert score_scene(truth_of(scene), scene).pose_auc_at_5deg == pytest.approx(1)


def test_means_leave_out_what_has_no_truth(synthetic):
    scores = score_scene(truth_of(synthetic.scenes[0]), synthetic.scenes[0])
    without = type(scores)(**{**scores.__dict__, "depth_absrel_scale_aligned": math.nan})
    assert mean_scores([without, scores]).depth_absrel_scale_aligned == pytest.approx(0, abs=1e-6)
    assert math.isnan(mean_scores([without]).depth_absrel_scale_aligned)
    assert mean_scores([without]).to_dict()["depth_absrel_scale_aligned"] is None


@pytest.mark.shared
def test_real_photo_sets_load_with_their_truth():
    if not SHARED.is_dir():
        pytest.skip("needs the real photo sets in ../shared/data")
    (door,) = photo_set(SHARED / "lund_door", FIT).scenes
    assert len(door.batch.images) == 12
    assert score_scene(truth_of(door), door).pose_auc_at_5deg == pytest.approx(1)
    (pair,) = photo_set(SHARED / "middlebury_motorcycle", FIT).scenes
    assert score_scene(truth_of(pair), pair).depth_absrel_scale_aligned == pytest.approx(
        0, abs=1e-6
    )
