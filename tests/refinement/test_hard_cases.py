"""Photos that no one can reconstruct, among others or alone: no crash, and a true report."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from glance3d.files.atomic import to_json_text
from glance3d.geometry.rotations import rotation_angle
from glance3d.geometry.transforms import compose
from glance3d.known_cameras import KnownCamera, KnownCameras
from glance3d.refinement import RefineOptions, refine
from glance3d.trust.report import trust_text
from glance3d.types import Reconstruction
from tests.refinement.rendered import Room, arc, build_scene, turning, with_cameras

OPTIONS = RefineOptions(max_features=700)
PLAIN = Room(plain=True)


def guessed(scene: Reconstruction, degrees: float = 4.0) -> Reconstruction:
    """With cameras as a network guesses them: turned and moved a little."""
    generator = torch.Generator().manual_seed(0)
    poses = scene.cameras.cam_from_world.clone()
    for view in range(scene.num_views):
        axis = torch.randn(3, generator=generator)
        poses[view] = compose(small_turn(axis, degrees), poses[view])
        poses[view, :, 3] += 0.1 * torch.randn(3, generator=generator)
    return with_cameras(scene, poses)


def small_turn(axis: Tensor, degrees: float) -> Tensor:
    x, y, z = (torch.nn.functional.normalize(axis, dim=0) * degrees * torch.pi / 180).tolist()
    generator = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return torch.cat([torch.linalg.matrix_exp(generator), torch.zeros(3, 1)], 1)


def refined(
    folder: Path, rooms: Sequence[Room], poses: Sequence[Tensor], **more: object
) -> Reconstruction:
    scene = guessed(build_scene(rooms, poses, folder))
    refined = refine(scene, options=OPTIONS, densify=False, **more)  # type: ignore[arg-type]
    assert refined.names == scene.names
    assert refined.trust is not None
    assert refined.cameras.cam_from_world.isfinite().all()
    assert refined.points_world is not None
    assert refined.points_world.isfinite().all()
    json.loads(to_json_text(refined.report.to_json()))
    assert len(trust_text(refined)) >= 2 + scene.num_views
    return refined


def verdicts(scene: Reconstruction) -> list[str]:
    assert scene.trust is not None
    return [view.verdict for view in scene.trust]


def reasons(scene: Reconstruction) -> list[str]:
    assert scene.trust is not None
    return [view.reason for view in scene.trust]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Reconstruction:
    """Three good photos, one of them twice, a photo of something else, and a plain wall."""
    poses = arc(3, width=1.6)
    rooms = [Room(), Room(), Room(), Room(), Room(seed=5), PLAIN]
    return refined(tmp_path_factory.mktemp("mixed"), rooms, [*poses, poses[1], poses[0], poses[2]])


def test_photos_that_others_confirm_are_good(mixed: Reconstruction) -> None:
    assert verdicts(mixed) == ["good"] * 4 + ["unsupported"] * 2
    true = torch.stack(arc(3, width=1.6))[:, :, :3].float()
    rotations = mixed.cameras.cam_from_world[:3, :, :3]
    for first, second in ((0, 1), (0, 2)):
        error = rotation_angle(rotations[second] @ rotations[first].T, true[second] @ true[first].T)
        assert torch.rad2deg(error) < 1.0


def test_an_identical_photo_is_named_and_makes_no_twins(mixed: Reconstruction) -> None:
    assert "the same picture as view03.png" in reasons(mixed)[1]
    assert "the same picture as view01.png" in reasons(mixed)[3]
    assert mixed.report.to_json()["trust"]["contradictions"] == []


def test_a_photo_of_something_else_is_unsupported(mixed: Reconstruction) -> None:
    assert mixed.trust is not None
    assert "nothing in common with the other photos" in reasons(mixed)[4]
    assert mixed.trust[4].registered_by == "similarity"


def test_a_plain_wall_is_unsupported(mixed: Reconstruction) -> None:
    assert "hardly any texture" in reasons(mixed)[5]


def test_the_report_counts_and_names_them(mixed: Reconstruction) -> None:
    described = mixed.report.to_json()["trust"]
    assert described["summary"]["good"] == 4
    assert described["summary"]["unsupported"] == 2
    assert [view["name"] for view in described["views"]] == list(mixed.names)


def test_a_camera_that_only_turned_is_never_called_good(tmp_path: Path) -> None:
    scene = refined(tmp_path, [Room()] * 3, turning(3))
    assert set(verdicts(scene)) <= {"weak", "unsupported"}
    assert all("parallax" in reason for reason in reasons(scene))
    assert scene.report.refinement.attempts == ()  # any cameras would fit
    assert scene.sparse is not None
    assert len(scene.sparse) == 0


def test_plain_walls_alone_support_nothing(tmp_path: Path) -> None:
    scene = refined(tmp_path, [PLAIN] * 2, arc(2))
    assert verdicts(scene) == ["unsupported"] * 2
    assert all("hardly any texture" in reason for reason in reasons(scene))


def test_one_photo_alone(tmp_path: Path) -> None:
    scene = refined(tmp_path, [Room()], arc(1))
    assert verdicts(scene) == ["unsupported"]
    assert "one photo alone" in reasons(scene)[0]


def test_the_same_photo_twice_and_nothing_else(tmp_path: Path) -> None:
    scene = refined(tmp_path, [Room()] * 2, arc(3)[:1] * 2)
    assert verdicts(scene) == ["unsupported"] * 2
    assert all("the same picture" in reason for reason in reasons(scene))


def test_a_known_pose_that_the_photos_contradict_is_said(tmp_path: Path) -> None:
    poses = arc(4, width=1.6)
    wrong = compose(small_turn(torch.tensor([0.0, 1.0, 0.3]), 20.0).double(), poses[2])
    given = [*poses[:2], wrong, poses[3]]
    scene = build_scene([Room()] * 4, poses, tmp_path)
    matrix = scene.cameras.intrinsics[0].double()
    known = KnownCameras(
        "cameras.json",
        "test",
        tuple(
            KnownCamera(name, pose, matrix) for name, pose in zip(scene.names, given, strict=True)
        ),
        "a surveyor's",
    )
    refined = refine(guessed(scene), options=OPTIONS, known=known, densify=False)
    assert refined.trust is not None
    assert verdicts(refined)[2] != "good"
    assert "contradicts what the photos show" in reasons(refined)[2]
    for view in (0, 1, 3):
        assert refined.trust[view].registered_by == "known"
        assert refined.trust[view].verdict == "good"


def test_refining_again_judges_again(mixed: Reconstruction) -> None:
    assert mixed.trust is not None
    stale = replace(mixed, trust=tuple(replace(v, verdict="good") for v in mixed.trust))
    again = refine(stale, options=OPTIONS, densify=False)
    assert verdicts(again) == verdicts(mixed)
