"""Windows asked for by name, from Python and on the command line."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import glance3d
from glance3d.cli import main
from glance3d.errors import InputError
from glance3d.evaluation.metrics import pose_auc, relative_pose_errors
from glance3d.files.atomic import to_json_text
from glance3d.models import VGGT, build_model
from glance3d.models.config import Output, tiny
from glance3d.models.memory import plan as memory_plan
from glance3d.models.memory.plan import plan_memory
from glance3d.photo_sets import load_photo_set

SMALL = {"max_pixels": 70 * 70}
SHARED = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture(scope="module")
def network(tiny_weights: Path) -> VGGT:
    return glance3d.load_model(tiny_weights, device="cpu")


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine overlapping crops of one picture."""
    folder = tmp_path_factory.mktemp("walk")
    coarse = np.random.default_rng(0).integers(0, 255, (8, 32, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((256, 64), Image.Resampling.BICUBIC)
    for index in range(9):
        offset = 20 * index
        picture.crop((offset, 0, offset + 64, 64)).save(folder / f"{index}.png")
    return folder


def test_a_scene_in_windows(walk: Path, network: VGGT) -> None:
    scene = glance3d.reconstruct(walk, model=network, preprocess=SMALL, window=4, overlap=2)
    full = glance3d.reconstruct(walk, model=network, preprocess=SMALL)
    assert scene.names == full.names
    assert scene.depth is not None
    assert full.depth is not None
    assert scene.depth.shape == full.depth.shape
    assert scene.points_from == "depth"
    torch.testing.assert_close(scene.cameras.cam_from_world[0], torch.eye(3, 4), atol=0.1, rtol=0)
    first = glance3d.reconstruct(
        [walk / f"{index}.png" for index in range(4)], model=network, preprocess=SMALL
    )
    assert torch.equal(scene.depth[0], first.depth[0])  # the others are in two windows
    assert torch.equal(scene.cameras.cam_from_world[:4], first.cameras.cam_from_world)
    intrinsics = scene.cameras.intrinsics  # of one camera, in every window
    assert torch.equal(intrinsics, intrinsics[:1].expand_as(intrinsics))


def test_the_report_says_that_it_is_approximate(walk: Path, network: VGGT) -> None:
    scene = glance3d.reconstruct(walk, model=network, preprocess=SMALL, window=4)
    windows = json.loads(to_json_text(scene.report.to_json()))["windows"]
    assert windows["approximate"] is True
    assert (windows["views"], windows["overlap"], windows["num_windows"]) == (4, 2, 4)
    assert [(join["from"], join["to"]) for join in windows["joins"]] == [
        ("1.png", "4.png"),
        ("3.png", "6.png"),
        ("5.png", "8.png"),
    ]
    assert windows["joins"][1]["shared"] == ["4.png", "3.png"]
    for join in windows["joins"]:
        assert join["scale"] > 0
        assert join["rotation_deg"] >= 0
        assert join["depth_spread"] >= 0
    approximate = [
        text for text in scene.report.to_json()["warnings"] if text.startswith("approximate: ")
    ]
    assert len(approximate) == 1
    assert "9 photos were seen in 4 windows of 4" in approximate[0]


def test_poor_joins_are_named(walk: Path) -> None:
    torch.manual_seed(1)
    wild = build_model(tiny()).eval()
    assert wild.camera_head is not None
    with torch.no_grad():  # cameras that turn with whatever is in view
        wild.camera_head.pose_mlp.fc2.weight.mul_(30)
    scene = glance3d.reconstruct(walk, model=wild, preprocess=SMALL, window=4, overlap=3)
    poor = [text for text in scene.report.to_json()["warnings"] if "fits poorly" in text]
    assert poor
    assert "photos that they share" in poor[0]
    assert max(join["rotation_deg"] for join in scene.report.to_json()["windows"]["joins"]) > 5


@pytest.mark.parametrize("window", [9, 50])
def test_a_window_of_all_views_is_the_plain_run(walk: Path, network: VGGT, window: int) -> None:
    scene = glance3d.reconstruct(walk, model=network, preprocess=SMALL, window=window)
    full = glance3d.reconstruct(walk, model=network, preprocess=SMALL)
    assert torch.equal(scene.depth, full.depth)
    assert torch.equal(scene.confidence, full.confidence)
    assert torch.equal(scene.points_world, full.points_world)
    assert torch.equal(scene.cameras.cam_from_world, full.cameras.cam_from_world)
    assert torch.equal(scene.cameras.intrinsics, full.cameras.intrinsics)
    assert scene.report.to_json()["windows"]["approximate"] is False
    assert full.report.to_json()["windows"] is None
    assert not any("approximate" in text for text in scene.report.to_json()["warnings"])


def test_the_reference_may_be_any_photo(walk: Path, network: VGGT) -> None:
    scene = glance3d.reconstruct(walk, model=network, preprocess=SMALL, window=4, reference="6.png")
    assert scene.reference_view == 6
    assert scene.names[0] == "0.png"
    torch.testing.assert_close(scene.cameras.cam_from_world[6], torch.eye(3, 4), atol=0.1, rtol=0)


def test_other_outputs_in_windows(walk: Path, network: VGGT) -> None:
    cameras = glance3d.reconstruct(walk, model=network, preprocess=SMALL, window=4, outputs=[])
    assert cameras.depth is None
    assert cameras.report.to_json()["windows"]["approximate"] is True
    points = glance3d.reconstruct(
        walk, model=network, preprocess=SMALL, window=4, outputs=["points"]
    )
    assert points.points_from == "points"
    assert points.points_world.shape == (9, *points.mask.shape[1:], 3)
    torch.testing.assert_close(points.cameras.cam_from_world, cameras.cameras.cam_from_world)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": 1}, "a window must hold at least 2 views"),
        ({"window": 4, "overlap": 4}, "can share 1 to 3 with the next"),
        ({"overlap": 2}, "overlap is an option of windows"),
        ({"window": 4, "query_points": [[1.0, 1.0]]}, "one pass sees all views"),
        ({"window": 4, "outputs": ["camera", "tracks"]}, "one pass sees all views"),
    ],
)
def test_what_windows_cannot_do_is_refused(
    walk: Path, network: VGGT, arguments: dict, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        glance3d.reconstruct(walk, model=network, preprocess=SMALL, **arguments)


def test_a_network_without_depth_is_refused(walk: Path) -> None:
    blind = build_model(replace(tiny(), depth=None)).eval()
    with pytest.raises(InputError, match="windows are joined by depth"):
        glance3d.reconstruct(walk, model=blind, preprocess=SMALL, window=4, outputs=["points"])


def test_too_little_memory_names_a_window_and_the_window_runs(
    walk: Path, network: VGGT, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs: tuple[Output, ...] = ("camera", "depth")
    cpu = torch.device("cpu")
    nine = plan_memory(network, 9, (70, 70), outputs, cpu)
    five = plan_memory(network, 9, (70, 70), outputs, cpu, window=5)
    assert five.peak < nine.peak
    monkeypatch.setattr(memory_plan, "MARGIN", 0.0)
    monkeypatch.setattr(memory_plan, "SMALLEST_SCALE", 1.0)
    monkeypatch.setattr(memory_plan, "available_memory", lambda _: five.peak)
    with pytest.raises(InputError, match="a window of 5 views") as refusal:
        glance3d.reconstruct(walk, model=network, preprocess=SMALL)
    assert "--window 5; approximate" in str(refusal.value)
    scene = glance3d.reconstruct(walk, model=network, preprocess=SMALL, window=5)
    assert scene.report.to_json()["memory"]["planned"] == five.peak
    with pytest.raises(InputError, match="9 views in windows of 6"):
        glance3d.reconstruct(walk, model=network, preprocess=SMALL, window=6)


def test_on_the_command_line(
    walk: Path, tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["reconstruct", str(walk), "--out", str(tmp_path / "out"), "--model", str(tiny_weights)]
    words += ["--device", "cpu", "--max-pixels", "4900", "--window", "4"]
    assert main([*words, "--plan"]) == 0
    planned = capsys.readouterr().out
    assert planned.startswith("9 views in windows of 4 of 70 x 70: ")
    assert "  4 windows of 4 photos take 0.65 MB on the disk until the scene is written" in planned
    assert main([*words, "--progress", "--outputs", "camera"]) == 0
    captured = capsys.readouterr()
    assert "approximate: 4 windows of 4 photos" in captured.out
    assert "windows: 100%" in captured.err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["windows"]["num_windows"] == 4
    assert main([*words, "--overlap", "7"]) != 0
    assert "can share 1 to 3" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.shared
def test_the_door_in_windows_by_the_packaged_network() -> None:
    """Real photos along a wall: cameras as good as those of one pass."""
    if not SHARED.is_dir():
        pytest.skip("needs the real photo sets in ../shared/data")
    door = load_photo_set(SHARED / "lund_door")
    small = {"max_pixels": 128 * 128}
    scene = glance3d.reconstruct(door.image_paths, device="cpu", window=6, preprocess=small)
    errors = relative_pose_errors(scene.cameras.cam_from_world, door.cameras.cam_from_world)
    assert pose_auc(errors.worse, 30) > 0.7
    assert all(join["rotation_deg"] < 2 for join in scene.report.to_json()["windows"]["joins"])
