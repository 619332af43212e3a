"""New photos beside old ones: the old cameras stay, the new ones come along on the same grid."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import glance3d
from glance3d.cli import main
from glance3d.errors import ImageError, InputError
from glance3d.incremental import held_cameras
from glance3d.incremental.anchors import choose_anchors
from glance3d.known_cameras import match_known_cameras
from glance3d.models.adapters.files import save_adapter
from glance3d.types import Reconstruction
from tests.models.adapters.networks import with_adapters


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


def test_photos_of_which_none_can_be_read_are_refused(
    scene: Reconstruction, tiny_weights: Path, tmp_path: Path
) -> None:
    (tmp_path / "e.png").write_text("no photo")
    for most in (12, 2):  # with all old photos, and with the ones that are most alike
        with pytest.raises(ImageError, match=r"none of the photos given can be used: e\.png"):
            glance3d.add_photos(scene, tmp_path / "e.png", model=tiny_weights, max_anchors=most)


def test_the_new_photo_lies_whole_on_the_old_grid(larger: Reconstruction) -> None:
    placement = larger.placements[3]
    assert placement.original_size == (48, 64)
    assert placement.processed_size == larger.placements[0].processed_size
    assert torch.equal(larger.mask[3], placement.content_mask())
    assert (larger.colors[3][~larger.mask[3]] == 255).all()
    corner = placement.to_processed(torch.tensor([[48.0, 64.0]]))
    assert (corner <= torch.tensor(placement.processed_size) + 1e-3).all()


def test_an_adapter_is_merged_and_named_where_the_scene_had_none(
    scene: Reconstruction, folder: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    network = glance3d.load_model(tiny_weights, device="cpu")
    save_adapter(with_adapters(network, spread=0.05), tmp_path / "mine")
    added = [
        glance3d.add_photos(scene, folder / "d.png", model=tiny_weights, adapter=adapter)
        for adapter in (None, tmp_path / "mine")
    ]
    without, with_it = (one.cameras.cam_from_world[3] for one in added)
    assert not torch.equal(without, with_it)
    said = [[w.text for w in one.report.warnings if w.code == "adapter"] for one in added]
    file = "mine/adapter_model.safetensors"
    sentence = "the scene was made with no adapter, the new photos were seen with the adapter"
    assert said == [[], [f"{sentence} {file}"]]


def test_nobody_trusts_what_was_not_checked(larger: Reconstruction) -> None:
    assert larger.trust is not None
    assert larger.trust[3].verdict == "unsupported"
    assert larger.report.to_json()["additions"][0]["photos"] == ["d.png"]


def test_photos_that_are_there_already_are_refused(
    scene: Reconstruction, folder: Path, tiny_weights: Path
) -> None:
    with pytest.raises(InputError, match="in the scene already"):
        glance3d.add_photos(scene, folder / "b.png", model=tiny_weights)


def test_old_cameras_can_be_held(larger: Reconstruction) -> None:
    known = match_known_cameras(held_cameras(larger, 3), larger)
    assert known.has_pose.tolist() == [True, True, True, False]


def test_all_photos_are_anchors_where_they_are_few(scene: Reconstruction) -> None:
    assert choose_anchors(scene, 9) == [0, 1, 2]
    assert choose_anchors(replace(scene, reference_view=1), 3) == [1, 0, 2]


def test_anchors_look_like_the_new_photos_and_are_far_apart(scene: Reconstruction) -> None:
    # Twelve views along a line; new photos look like the views about 2 and 9.
    walk = scene.of_views([0] * 12)
    poses = walk.cameras.cam_from_world.clone()
    poses[:, 0, 3] = -torch.arange(12.0)
    walk = replace(walk, cameras=replace(walk.cameras, cam_from_world=poses))
    places = torch.arange(12.0)
    likeness = torch.stack([1 - (places - about).abs() / 12 for about in (2.2, 9.0)])
    assert choose_anchors(walk, 2, likeness) == [9, 2]
    chosen = choose_anchors(walk, 4, likeness)
    assert chosen[0] == 9
    assert {2, 9} < set(chosen)
    assert not {5, 6} & set(chosen)
    assert choose_anchors(walk, 1, likeness) == [9]


def test_the_photo_that_a_new_one_shows_again_is_an_anchor(
    scene: Reconstruction, folder: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    Image.open(folder / "c.png").point(lambda level: level * 0.97).save(tmp_path / "again.png")
    larger = glance3d.add_photos(scene, tmp_path / "again.png", model=tiny_weights, max_anchors=1)
    addition = larger.report.additions[0]
    assert addition.anchors == ("c.png",)


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
    assert "added 1 photo: the scene has 4 now" in capsys.readouterr().out
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
