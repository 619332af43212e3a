"""A free and more accurate model is named where a scene is doubtful, and only there."""

from dataclasses import replace

import pytest
import torch

from glance3d.cli.reconstruct import better_model_summary
from glance3d.cli.terminal.command_line import running
from glance3d.models.weights.cards import CARDS
from glance3d.models.weights.weights_card import PoseAccuracy
from glance3d.reporting.better_model import BETTER_MODEL, better_model_warnings, is_doubtful
from glance3d.types import Reconstruction, Report, ViewTrust
from tests.refinement.rendered import Room, arc, build_scene, with_cameras

GOOD = ViewTrust("bundle adjustment", 500, 0.3, 0.9, 1.0, "good", "")
WEAK = replace(GOOD, verdict="weak")
SMALL = CARDS["glance-small"]


@pytest.fixture(scope="module")
def scene() -> Reconstruction:
    return build_scene([Room()] * 4, arc(4))


@pytest.fixture
def torn(scene: Reconstruction) -> Reconstruction:
    """Every camera in another place than its photo was taken from."""
    poses = scene.cameras.cam_from_world.clone()
    poses[:, :, 3] += 2 * torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    return with_cameras(scene, poses)


@pytest.fixture
def free_model(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(CARDS) - {"glance-small"}:
        monkeypatch.delitem(CARDS, name)
    card = replace(
        SMALL,
        name="free-one",
        source="someone/free-one",
        pose_accuracy=PoseAccuracy({"a set": 75.84}, "a paper"),
    )
    monkeypatch.setitem(CARDS, "free-one", card)


def test_views_that_confirm_each_other_are_not_doubtful(
    scene: Reconstruction, torn: Reconstruction
) -> None:
    assert not is_doubtful(scene)
    assert is_doubtful(torn)


def test_verdicts_decide_where_there_are_any(scene: Reconstruction, torn: Reconstruction) -> None:
    assert not is_doubtful(replace(torn, trust=(GOOD, GOOD, WEAK, WEAK)))
    assert is_doubtful(replace(scene, trust=(GOOD, WEAK, WEAK, WEAK)))


def test_one_photo_and_a_scene_without_depth_are_no_case(torn: Reconstruction) -> None:
    assert not is_doubtful(build_scene([Room()], arc(1)))
    assert not is_doubtful(replace(torn, depth=None, points_world=None, points_from=None))


@pytest.mark.usefixtures("free_model")
def test_the_warning_has_the_command(scene: Reconstruction, torn: Reconstruction) -> None:
    (warning,) = better_model_warnings(SMALL, torn, "made")
    assert warning.code == BETTER_MODEL
    assert warning.text == (
        "these cameras are doubtful, and a more accurate model than glance-small is free: free-one "
        "(Apache-2.0, 29 MB, published pose AUC@30 75.8): glance3d models --fetch free-one, then "
        "glance3d reconstruct ... --model free-one"
    )
    assert better_model_warnings(SMALL, scene, "made") == ()
    assert better_model_warnings(CARDS["free-one"], torn, "made") == ()
    assert better_model_warnings(None, torn, "made") == ()


@pytest.mark.usefixtures("free_model")
def test_the_summary_has_the_users_own_command(torn: Reconstruction) -> None:
    torn = replace(torn, model="glance-small")
    assert better_model_summary(torn) == []
    report = Report().with_warnings(better_model_warnings(SMALL, torn, "made"))
    with running("reconstruct", ["photos", "--out", "scene"]):
        lines = better_model_summary(replace(torn, report=report))
    assert lines[1:] == [
        "  glance3d models --fetch free-one",
        "  glance3d reconstruct photos --out scene --model free-one",
    ]
