"""The disk: said beforehand, refused where there is no room, and full in mid-run."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from glance3d.cli.terminal.stopping import Stopped
from glance3d.errors import OutputError
from glance3d.results import UNFINISHED_FOLDER
from glance3d.windows.disk import DiskUse
from tests.file_limit import files_of_at_most
from tests.windows.disk.conftest import Passes

Run = Callable[..., None]


def test_planned_bytes_are_those_of_the_files(
    tmp_path: Path, reconstruct: Run, passes: Passes
) -> None:
    passes.stops_at = 4
    with pytest.raises(Stopped):
        reconstruct(tmp_path)
    use = DiskUse((4, 4, 4, 4), 9, (28, 28), ("camera", "depth"))
    sizes = [file.stat().st_size for file in (tmp_path / UNFINISHED_FOLDER).iterdir()]
    assert len(sizes) == 3
    assert 0.8 * use.window(0) < min(sizes) <= max(sizes) <= use.window(0)
    assert use.windows == 4 * use.window(0)
    points = DiskUse((4,), 4, (28, 28), ("camera", "depth", "points"))
    assert points.window(0) - use.window(0) == 4 * 28 * 28 * 4 * 4


def test_no_room_is_one_sentence_before_the_work(
    tmp_path: Path, reconstruct: Run, passes: Passes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000))
    with pytest.raises(OutputError, match="4 windows and the scene made of them need"):
        reconstruct(tmp_path / "out")
    assert passes.taken() == 0
    assert not (tmp_path / "out").exists()


def test_a_full_disk_in_mid_run_is_one_sentence(
    tmp_path: Path, reconstruct: Run, passes: Passes
) -> None:
    passes.stops_at = 3
    with pytest.raises(Stopped):
        reconstruct(tmp_path)
    kept = {path.name for path in (tmp_path / UNFINISHED_FOLDER).iterdir()}
    passes.taken()
    with (
        files_of_at_most(10_000),
        pytest.raises(OutputError, match=r"cannot write .*would be larger than is allowed") as full,
    ):
        reconstruct(tmp_path)
    assert "2 of 4 windows are kept" in full.value.__notes__[0]
    assert {path.name for path in (tmp_path / UNFINISHED_FOLDER).iterdir()} == kept
    reconstruct(tmp_path)
    assert passes.taken() == 1 + 2
