"""New photos beside old ones: the old cameras stay, the new ones come along on the same grid."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import glance3d
from glance3d.cli import main
from glance3d.errors import InputError
from glance3d.incremental import held_cameras
from glance3d.incremental.anchors import choose_anchors
from glance3d.known_cameras import match_known_cameras
from glance3d.types import Reconstruction


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old_and_new")
    generator = np.random.default_rng(0)
    for name, size in (("a", (64, 48)), ("b", (64, 48)), ("c", (64, 48)), ("d", (48, 64))):
        pixels = generator.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def scene(folder: Path, tiny_weights: Path) -> Reconstruction:
    return glance3d.reconstruct([folder / f"{name}.png" for name in "abc"], model=tiny_weights)


@pytest.fixture(scope="module")
def larger(scene: Reconstruction, folder: Path, tiny_weights: Path) -> Reconstruction:
    return glance3d.add_photos(scene, [folder / "d.png", folder / "a.png"], model=tiny_weights)


def test_the_old_cameras_do_not_move(scene: Reconstruction, larger: Reconstruction) -> None:
    assert larger.names == ("a.png", "b.png", "c.png", "d.png")
    assert torch.equal(larger.cameras.cam_from_world[:3], scene.cameras.cam_from_world)
    assert torch.equal(larger.cameras.intrinsics[:3], scene.cameras.intrinsics)
    assert scene.depth is not None
    assert larger.depth is not None
    assert torch.equal(larger.depth[:3], scene.depth)


def test_the_new_photo_lies_whole_on_the_old_grid(larger: Reconstruction) -> None:
    placement = larger.placements[3]
    assert placement.original_size == (48, 64)
    assert placement.processed_size == larger.placements[0].processed_size
    assert torch.equal(larger.mask[3], placement.content_mask())
    assert (larger.colors[3][~larger.mask[3]] == 255).all()
    corner = placement.to_processed(torch.tensor([[48.0, 64.0]]))
    assert (corner <= torch.tensor(placement.processed_size) + 1e-3).all()


def test_nobody_trusts_what_was_not_checked(larger: Reconstruction) -> None:
    assert larger.trust is not None
    assert larger.trust[3].verdict == "unsupported"
    assert larger.report.to_json()["additions"][0]["photos"] == ["d.png"]


def test_photos_that_are_there_already_are_refused(
    scene: Reconstruction, folder: Path, tiny_weights: Path
) -> None:
    with pytest.raises(InputError, match="are in the scene already"):
        glance3d.add_photos(scene, folder / "b.png", model=tiny_weights)


def test_old_cameras_can_be_held(larger: Reconstruction) -> None:
    known = match_known_cameras(held_cameras(larger, 3), larger)
    assert known.has_pose.tolist() == [True, True, True, False]


def test_anchors_are_far_apart_and_begin_with_the_reference(scene: Reconstruction) -> None:
    assert choose_anchors(scene, 1) == [0]
    assert choose_anchors(scene, 9) == [0, 1, 2]


def test_the_command_adds_and_writes(
    scene: Reconstruction,
    folder: Path,
    tiny_weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    glance3d.export(scene, tmp_path / "scene.npz")
    words = ["add", str(tmp_path), str(folder / "d.png"), "--model", str(tiny_weights)]
    assert main(words) == 0
    assert "added 1 photos: the scene has 4 now" in capsys.readouterr().out
    assert glance3d.load_scene(tmp_path).num_views == 4
    assert main(["add", str(tmp_path), str(folder / "d.png"), "--move-old"]) == 2


def test_new_photos_in_windows_say_so(
    scene: Reconstruction, folder: Path, tiny_weights: Path
) -> None:
    larger = glance3d.add_photos(
        scene, folder / "d.png", model=tiny_weights, max_anchors=2, window=2, overlap=1
    )
    assert larger.names == ("a.png", "b.png", "c.png", "d.png")
    windows = larger.report.to_json()["additions"][0]["windows"]
    assert windows["approximate"] is True
    assert windows["num_windows"] == 2
    assert any(
        text.startswith("approximate: 3 photos") for text in larger.report.to_json()["warnings"]
    )
