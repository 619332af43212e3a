"""A file is whole or not there, and a full disk is one sentence."""

import errno
import json
import math
import os
from pathlib import Path

import pytest

from glance3d.errors import OutputError
from glance3d.files.atomic import atomic_file, remove_dead_temporaries, save_bytes, save_json
from tests.file_limit import files_of_at_most


def names_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_written_file_is_whole_and_alone(tmp_path):
    assert save_bytes(tmp_path / "deep" / "er" / "a.bin", b"x" * 5).read_bytes() == b"x" * 5
    assert names_below(tmp_path) == ["deep", "deep/er", "deep/er/a.bin"]


def test_the_file_is_not_there_before_it_is_whole(tmp_path):
    with atomic_file(tmp_path / "a.ply") as temporary:
        temporary.write_text("half")
        assert temporary.suffix == ".ply"
        assert not (tmp_path / "a.ply").exists()
    assert (tmp_path / "a.ply").read_text() == "half"


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    save_bytes(tmp_path / "a.bin", b"old")

    def fail():
        with atomic_file(tmp_path / "a.bin") as temporary:
            temporary.write_bytes(b"ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert names_below(tmp_path) == ["a.bin"]


def test_no_room_half_way_is_one_sentence_and_leaves_nothing(tmp_path):
    message = r"cannot write .*a\.bin: the file would be larger"
    with files_of_at_most(1000), pytest.raises(OutputError, match=message):
        save_bytes(tmp_path / "new" / "a.bin", b"x" * 5000)
    assert names_below(tmp_path) == []


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    def full(self, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="the disk is full"):
        save_bytes(tmp_path / "a.bin", b"x")
    assert names_below(tmp_path) == []


def test_a_file_in_the_way_of_a_folder_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="choose another path"):
        save_bytes(tmp_path / "file" / "below", b"x")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_in_the_way_of_a_file_is_one_sentence(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(OutputError, match="a folder of that name"):
        save_json(tmp_path / "a.json", {})


def test_the_next_writer_removes_what_a_dead_one_left(tmp_path):
    with atomic_file(tmp_path / "first" / "a.pt") as temporary:
        mine = temporary.name
        temporary.touch()
    dead = mine.replace(f"-{os.getpid()}-", f"-{2**22 + 1}-")  # beyond what Linux counts to
    alive = mine.replace(f"-{os.getpid()}-", f"-{os.getppid()}-")
    elsewhere = dead.replace(dead.split("-")[2], "ffffff")
    folder = tmp_path / "second"
    folder.mkdir()
    for name in (dead, alive, elsewhere, ".tmp-0123456789ab.pt", ".tmp-notes"):
        (folder / name).write_text("x")
    save_bytes(folder / "a.pt", b"new")
    kept = [alive, elsewhere, ".tmp-0123456789ab.pt", ".tmp-notes", "a.pt"]
    assert names_below(folder) == sorted(kept)
    remove_dead_temporaries(folder, alone=True)
    assert names_below(folder) == sorted([alive, ".tmp-notes", "a.pt"])


def test_json_is_strict_and_takes_what_reports_hold(tmp_path):
    path = save_json(
        tmp_path / "r.json", {"nan": math.nan, 1: (2, Path("x")), "ü": True, "odd": "a\udcff"}
    )
    assert json.loads(path.read_text()) == {
        "nan": None,
        "1": [2, "x"],
        "ü": True,
        "odd": "a\udcff",
    }
