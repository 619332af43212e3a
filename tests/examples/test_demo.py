"""The demo runs, and its measures are right where the answer is known."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import glance3d
from glance3d.photo_sets import load_photo_set
from glance3d.types import Reconstruction
from tests.loaded_files import load_file

ROOT = Path(__file__).parents[2]


def _load_demo():
    return load_file(ROOT / "scripts" / "demo.py")


demo = _load_demo()


@pytest.mark.long
def test_demo_writes_and_measures(
    tiny_weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["demo.py", "--out", str(tmp_path / "demo"), "--model", str(tiny_weights)]
    monkeypatch.setattr(sys, "argv", words)
    assert demo.main() == 0
    out = capsys.readouterr().out
    assert (tmp_path / "demo" / "scene.glb").is_file()
    assert list((tmp_path / "demo" / "depth").glob("*_preview.*"))
    assert "AbsRel" in out
    # The network is untrained; what the photos say makes up for it.
    assert "Cameras, refined: clearly better" in out


@pytest.fixture
def true_scene() -> Reconstruction:
    """The truth as if a network had said it, in its own scale."""
    truth = load_photo_set(demo.PHOTOS)
    batch = glance3d.load_images(demo.PHOTOS / "images")
    height, width = batch.images.shape[-2:]
    true_depth = torch.nn.functional.interpolate(truth.load_depth(0)[None, None], (height, width))
    pose = truth.cameras.cam_from_world.clone()
    pose[:, :, 3] *= 0.1
    return Reconstruction(
        names=batch.names,
        sources=batch.sources,
        placements=batch.placements,
        cameras=replace(truth.cameras, cam_from_world=pose),
        colors=torch.zeros(2, height, width, 3, dtype=torch.uint8),
        mask=batch.content_mask,
        depth=0.1 * true_depth[0].expand(2, -1, -1),
    )


def test_the_truth_is_right(true_scene: Reconstruction) -> None:
    truth = load_photo_set(demo.PHOTOS)
    scenes = [true_scene, true_scene]
    cameras = demo.measure_cameras(scenes, truth)
    assert [measure.refined for measure in cameras] == pytest.approx([0, 0, 0], abs=1e-3)
    absrel, delta = demo.measure_depth(scenes, truth)
    assert absrel.refined < 0.01  # the network's grid is coarser than the truth
    assert delta.refined > 0.98
    assert delta.one_look == delta.refined
    assert "NOT" not in demo.verdict(cameras, [absrel, delta])


def test_a_flat_wall_is_no_better_than_the_guess(true_scene: Reconstruction) -> None:
    wall = replace(true_scene, depth=torch.ones_like(true_scene.colors[..., 0]).float())
    measures = demo.measure_depth([true_scene, wall], load_photo_set(demo.PHOTOS))
    assert [measure.refined for measure in measures] == [measure.guess for measure in measures]
    assert not any(measure.beats_guess for measure in measures)
