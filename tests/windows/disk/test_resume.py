"""A run in windows that was stopped goes on where it was, and ends with the same scene."""

import logging
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import glance3d
from glance3d.cli.terminal.stopping import Stopped
from glance3d.errors import OutputError, WeightsError
from glance3d.models import build_model
from glance3d.models.config import tiny
from glance3d.models.weights.files import save_weights
from glance3d.results import MANIFEST_FILE, UNFINISHED_FOLDER, is_own_result
from tests.windows.disk.conftest import NUM_WINDOWS, SMALL, Passes

Run = Callable[..., None]


def windows_in(out: Path) -> list[Path]:
    return sorted((out / UNFINISHED_FOLDER).glob("*.safetensors"))


@pytest.fixture
def stopped(tmp_path: Path, reconstruct: Run, passes: Passes) -> Path:
    """A folder of a run that was stopped in its third window."""
    stop_in(3, tmp_path / "out", reconstruct, passes)
    return tmp_path / "out"


def stop_in(number: int, out: Path, reconstruct: Run, passes: Passes, **changes) -> None:
    passes.stops_at = number
    with pytest.raises(Stopped):
        reconstruct(out, **changes)
    assert passes.taken() == number


@pytest.fixture
def in_memory(walk: Path, tiny_weights: Path) -> Callable[[], glance3d.Reconstruction]:
    """The scene of windows that were never files."""
    network = glance3d.load_model(tiny_weights, device="cpu")
    return lambda: glance3d.reconstruct(walk, model=network, preprocess=SMALL, window=4)


def assert_same_bits(out: Path, expected: glance3d.Reconstruction) -> None:
    scene = glance3d.load_scene(out)
    for name in ("depth", "confidence", "colors", "mask"):
        assert torch.equal(getattr(scene, name), getattr(expected, name)), name
    assert torch.equal(scene.cameras.cam_from_world, expected.cameras.cam_from_world)
    assert torch.equal(scene.cameras.intrinsics, expected.cameras.intrinsics)


def test_on_the_command_line(
    tmp_path: Path, command: Callable[[Path], int], passes: Passes, in_memory, capsys
) -> None:
    out = tmp_path / "out"
    passes.stops_at = 3
    assert command(out) == 130
    said = capsys.readouterr().err
    sentence = r"4 windows of 4 photos take 0\.\d+ MB on the disk until the scene is written"
    assert re.search(sentence, said)
    kept = f"2 of 4 windows are kept in {out / UNFINISHED_FOLDER}"
    assert said.endswith(f"stopped by Ctrl-C; {kept}: the same command goes on from there\n")
    assert passes.taken() == 3
    assert command(out) == 0
    assert passes.taken() == NUM_WINDOWS - 2
    assert "2 of 4 windows taken from the run that was stopped" in capsys.readouterr().err
    assert {path.name for path in out.glob(".*")} == {MANIFEST_FILE}
    assert_same_bits(out, in_memory())


def test_windows_are_hidden_and_ours_until_the_scene_is_written(
    stopped: Path, reconstruct: Run, passes: Passes, in_memory
) -> None:
    assert {path.name for path in stopped.iterdir()} == {UNFINISHED_FOLDER}
    assert len(windows_in(stopped)) == 2
    assert all(map(is_own_result, windows_in(stopped)))
    reconstruct(stopped)
    assert passes.taken() == NUM_WINDOWS - 2
    assert not (stopped / UNFINISHED_FOLDER).exists()
    assert_same_bits(stopped, in_memory())


def test_an_error_says_how_to_go_on(
    tmp_path: Path, command: Callable[[Path], int], passes: Passes, capsys
) -> None:
    passes.stops_at, passes.error = 2, WeightsError("the network is bad")
    assert command(tmp_path / "out") == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("glance3d: the network is bad; 1 of 4 windows are kept in ")


def test_nothing_is_said_or_left_where_no_window_was_finished(
    tmp_path: Path, reconstruct: Run, passes: Passes
) -> None:
    passes.stops_at = 1
    with pytest.raises(Stopped) as stop:
        reconstruct(tmp_path / "out")
    assert not hasattr(stop.value, "__notes__")
    assert not (tmp_path / "out").exists()


def test_damaged_windows_are_made_again(
    stopped: Path, reconstruct: Run, passes: Passes, in_memory
) -> None:
    first, second = windows_in(stopped)
    content = bytearray(first.read_bytes())
    content[-100] ^= 1
    first.write_bytes(content)
    second.write_bytes(second.read_bytes()[:1000])
    (stopped / UNFINISHED_FOLDER / ".tmp-1-abcdef-0123456789ab.safetensors").write_text("half")
    reconstruct(stopped)
    assert passes.taken() == NUM_WINDOWS
    assert not (stopped / UNFINISHED_FOLDER).exists()
    assert_same_bits(stopped, in_memory())


def test_windows_of_other_weights_or_options_are_not_taken_and_stay(
    stopped: Path, reconstruct: Run, passes: Passes, tmp_path: Path, caplog
) -> None:
    caplog.set_level(logging.INFO, "glance3d")
    torch.manual_seed(5)
    other = tmp_path / "other.safetensors"
    save_weights(build_model(tiny()), other, tiny())
    for changes in ({"attention": "thin"}, {"weights": other}):
        caplog.clear()
        stop_in(2, stopped, reconstruct, passes, **changes)
        assert "windows of other photos, weights or options lie there as well" in caplog.text
        assert "taken" not in caplog.text
    assert len(windows_in(stopped)) == 2 + 1 + 1
    stop_in(1, stopped, reconstruct, passes)
    assert "2 of 4 windows taken" in caplog.text


def test_a_photo_that_changed_costs_its_own_windows(
    stopped: Path, reconstruct: Run, passes: Passes, walk: Path, in_memory
) -> None:
    photo = walk / "0.png"  # of the first window alone
    before = photo.read_bytes()
    try:
        # A little, so that it is as alike to the others as before, and windows stay as they are.
        Image.fromarray(np.asarray(Image.open(photo)) // 8 * 8).save(photo)
        reconstruct(stopped)
        assert passes.taken() == NUM_WINDOWS - 1
        assert_same_bits(stopped, in_memory())
    finally:
        photo.write_bytes(before)


def test_the_files_of_others_stay(stopped: Path, reconstruct: Run) -> None:
    (stopped / UNFINISHED_FOLDER / "notes.txt").write_text("mine")
    reconstruct(stopped)
    assert [path.name for path in (stopped / UNFINISHED_FOLDER).iterdir()] == ["notes.txt"]


def test_a_link_in_its_place_is_refused(tmp_path: Path, reconstruct: Run) -> None:
    out = tmp_path / "out"
    (tmp_path / "elsewhere").mkdir()
    out.mkdir()
    (out / UNFINISHED_FOLDER).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="must be a folder of Glance3D's own"):
        reconstruct(out)
    assert not any((tmp_path / "elsewhere").iterdir())
