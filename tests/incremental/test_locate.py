"""Where photos were taken: right in the room of the scene, and nowhere in another room."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import glance3d
from glance3d.cli import main
from glance3d.errors import WeightsError
from glance3d.geometry.cameras import project_points
from glance3d.incremental.locating.absolute_pose import CameraGuess, estimate_absolute_pose
from glance3d.incremental.locating.located_photo import LocatedPhoto, judge_pose
from glance3d.incremental.locating.point_matches import PointMatches
from glance3d.incremental.locating.scene_doubts import with_doubts_of_scene
from glance3d.incremental.locating.scene_points import points_at
from glance3d.incremental.locating.triangulation import sight_lines, triangulate_features
from glance3d.refinement.matching.camera_models import build_colmap_camera
from glance3d.types import Reconstruction, SparsePoints, ViewTrust
from tests.refinement.rendered import FOCAL, SIZE, Room, arc, build_scene, photograph, pose

EYE = (0.3, 0.1, -4.2)
ELSEWHERE = Room(boxes=(((0.4, 0.2, 1.0), (1.0, 0.6, 0.8)),), seed=7)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved scene, and beside its folder a photo of its room and one of another."""
    top = tmp_path_factory.mktemp("rooms")
    (top / "photos").mkdir()
    glance3d.export(build_scene([Room()] * 3, arc(3), top / "photos"), top / "scene" / "scene.npz")
    photograph(Room(), pose(EYE)).save(top / "here.png")
    photograph(ELSEWHERE, pose(EYE)).save(top / "elsewhere.png")
    return top


def test_the_command_finds_one_photo_and_not_the_other(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in (home / "scene").rglob("*"))
    words = ["locate", str(home / "here.png"), str(home / "elsewhere.png")]
    words += ["--in", str(home / "scene"), "--json", "--out", str(tmp_path / "where.json")]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert json.loads((tmp_path / "where.json").read_text()) == said
    here, elsewhere = said["photos"]
    assert here["verdict"] == "located"
    assert here["position"] == pytest.approx(EYE, abs=0.05)
    assert np.allclose(here["cam_from_world"], pose(EYE), atol=0.05)
    assert here["intrinsics"][0][0] == pytest.approx(FOCAL, rel=0.02)
    assert here["matched_by"] == "sift"
    assert elsewhere["verdict"] == "not found"
    assert elsewhere["position"] is None
    assert sorted(path.name for path in (home / "scene").rglob("*")) == before


def test_an_adapter_is_taken_as_by_the_command(home: Path, tmp_path: Path) -> None:
    scene = glance3d.load_scene(home / "scene")
    with pytest.raises(WeightsError, match="an adapter must be a folder with adapter_config"):
        glance3d.locate(scene, home / "here.png", adapter=tmp_path)


def test_a_file_of_others_is_kept(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "where.json").write_text("mine")
    words = ["locate", str(home / "here.png"), "--in", str(home / "scene")]
    assert main([*words, "--out", str(tmp_path / "where.json")]) == 1
    assert "where.json" in capsys.readouterr().err
    assert (tmp_path / "where.json").read_text() == "mine"


def matches_with_noise(noise: float, num_wrong: int, seed: int) -> tuple[PointMatches, np.ndarray]:
    """Points seen by a camera of focal length 500 in 640 x 480, some of them wrong."""
    random = np.random.default_rng(seed)
    points = random.uniform((-2, -1.5, 4), (2, 1.5, 8), (100, 3))
    true_pose = pose((0.5, 0.2, -0.5), (0.0, 0.0, 6.0)).numpy()
    camera = build_colmap_camera((640, 480), 500.0, "pinhole")
    pixels = camera.img_from_cam(points @ true_pose[:, :3].T + true_pose[:, 3])
    pixels += noise * random.normal(size=pixels.shape)
    pixels[:num_wrong] = random.uniform((0, 0), (640, 480), (num_wrong, 2))
    numbers = np.arange(len(points))
    return PointMatches(pixels, points, np.zeros(len(points), int), numbers), true_pose


def test_errors_are_as_large_as_the_sigmas_say() -> None:
    """Over seeds, squared errors along an axis have the mean of a chi-squared variable, one."""
    ratios = []
    for seed in range(8):
        matches, true_pose = matches_with_noise(1.0, 20, seed)
        guess = CameraGuess(build_colmap_camera((640, 480), 700.0, "pinhole"), "matches")
        found = estimate_absolute_pose(matches, [guess], 0)
        assert found is not None
        centers = [-p[:, :3].T @ p[:, 3] for p in (found.cam_from_world, true_pose)]
        off = np.linalg.norm(centers[0] - centers[1]) / np.sqrt(3)
        focal = abs(found.intrinsics[0, 0] - 500)
        ratios.append([(off / found.position_sigma) ** 2, (focal / found.focal_sigma) ** 2])
    assert np.all(np.mean(ratios, 0) > 0.1)
    assert np.all(np.mean(ratios, 0) < 4)


def test_a_wrong_focal_length_is_not_taken_over() -> None:
    matches, _ = matches_with_noise(0.5, 0, 0)
    stated = [
        CameraGuess(build_colmap_camera((640, 480), focal, "pinhole"), "scene", is_known=True)
        for focal in (1100.0, 500.0)
    ]
    free = CameraGuess(build_colmap_camera((640, 480), 700.0, "pinhole"), "matches")
    wrong, right = (estimate_absolute_pose(matches, [one, free], 0) for one in stated)
    assert wrong is not None
    assert right is not None
    assert (wrong.focal_from, right.focal_from) == ("matches", "scene")
    assert right.focal_sigma == 0


def test_a_place_is_no_surer_than_the_cameras_beside_it(home: Path) -> None:
    scene = replace(glance3d.load_scene(home / "scene"), trust=None, registered_by=())
    here = LocatedPhoto(
        "here.png", "here.png", "located", ("much agrees",), cam_from_world=pose(EYE)
    )
    here = replace(here, seen_beside=scene.names[:2])
    trust = ViewTrust("component", 50, 0.3, 0.5, None, "weak", "placed by a guess")
    weak = replace(scene, trust=(trust,) * scene.num_views)
    good = replace(weak, trust=(trust, replace(trust, verdict="good"), trust))
    given = replace(scene, registered_by=("known",) * scene.num_views)
    verdicts = [with_doubts_of_scene(here, one) for one in (scene, weak, good, given)]
    assert [one.verdict for one in verdicts] == ["located", "uncertain", "located", "located"]
    assert [one.reasons[-1] for one in verdicts[2:]] == ["much agrees"] * 2
    assert "are an estimate" in verdicts[0].reasons[-1]
    assert "placed by a guess" in verdicts[1].reasons[-1]


def test_few_or_crowded_features_are_doubted() -> None:
    matches, _ = matches_with_noise(0.5, 0, 0)
    guess = CameraGuess(build_colmap_camera((640, 480), 500.0, "pinhole"), "scene", is_known=True)
    found = estimate_absolute_pose(matches, [guess], 0)
    assert found is not None
    assert judge_pose(found, (640, 480))[0] == "located"
    crowded = replace(found, inlier_pixels=found.inlier_pixels * 0.05)
    assert judge_pose(crowded, (640, 480))[0] == "uncertain"
    assert judge_pose(replace(found, num_inliers=20), (640, 480))[0] == "uncertain"
    assert judge_pose(replace(found, num_inliers=11), (640, 480))[0] == "not found"


def test_measured_points_come_before_depth() -> None:
    scene: Reconstruction = build_scene([Room()], arc(1))
    pixels = np.array([[100.2, 150.3], [300.0, 60.0], [SIZE[0] + 50.0, 10.0]])
    points, known, _ = points_at(scene, 0, pixels)
    assert known.tolist() == [True, True, False]
    measured = SparsePoints(
        torch.tensor([[1.0, 2.0, 3.0]]),
        torch.zeros(1, 3, dtype=torch.uint8),
        torch.tensor([0]),
        torch.tensor([0]),
        torch.tensor([[100.0, 150.0]]),
    )
    with_measured, _, is_measured = points_at(replace(scene, sparse=measured), 0, pixels)
    assert is_measured.tolist() == [True, False, False]
    assert with_measured[0].tolist() == [1, 2, 3]
    assert np.array_equal(with_measured[1:], points[1:])


def test_sight_lines_meet_at_the_point_that_they_see() -> None:
    """Of three features the second has a line that misses, and the third one line only."""
    scene = build_scene([Room()] * 3, arc(3))
    points = torch.tensor([[0.2, 0.1, 2.0], [-0.5, 0.3, 1.0], [0.4, 0.0, 1.5]])
    views, features = np.array([0, 1, 2, 0, 1, 2, 0]), np.array([0, 0, 0, 1, 1, 1, 2])
    cameras, lines = scene.cameras, []
    for view, feature in zip(views.tolist(), features.tolist(), strict=True):
        pixel, _ = project_points(
            points[None, feature], cameras.cam_from_world[view], cameras.intrinsics[view]
        )
        shift = 10.0 if (view, feature) == (2, 1) else 0.0
        lines.append(sight_lines(scene, view, pixel.numpy() + shift)[0])
    met, meet = triangulate_features(cameras.centers.numpy()[views], np.stack(lines), features)
    assert meet.tolist() == [True, False, False]
    assert np.allclose(met[0], points[0], atol=1e-4)
