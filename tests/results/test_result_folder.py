"""What is not ours stays, what is ours is replaced as one, and left-overs go."""

import json
import logging
import os
import shutil
from pathlib import Path

import pytest

from glance3d.errors import OutputError
from glance3d.results import (
    MANIFEST_FILE,
    Claims,
    Fingerprint,
    Manifest,
    open_result,
    read_manifest,
    settle,
    write_manifest,
)
from glance3d.results.manifest import Move
from tests.results.folders import NEW, OLD, content, write_files, write_result


def test_a_result_replaces_an_earlier_one_and_removes_what_is_left_over(tmp_path, caplog):
    write_result(tmp_path, OLD)
    assert content(tmp_path) == OLD
    write_files(tmp_path, {"depth/mine.txt": "mine"})
    with caplog.at_level(logging.INFO, "glance3d"):
        write_result(tmp_path, NEW)
    assert content(tmp_path) == NEW | {"depth/mine.txt": "mine"}
    assert not (tmp_path / "m").exists()
    assert set(read_manifest(tmp_path).files) == set(NEW)
    assert "depth/b.png, m/b.png" in caplog.text


def test_a_part_leaves_the_rest_of_the_result(tmp_path):
    write_result(tmp_path, OLD)
    write_result(tmp_path, {"depth/a.png": "newer"}, complete=False)
    assert content(tmp_path) == OLD | {"depth/a.png": "newer"}
    assert set(read_manifest(tmp_path).files) == set(OLD)


def test_what_somebody_else_wrote_is_refused_by_name_before_the_work(tmp_path):
    write_files(tmp_path, {"depth/a.png": "theirs"})
    with open_result(tmp_path) as result:
        with pytest.raises(OutputError, match=r"depth/a\.png, not written by .*--overwrite"):
            result.claim(Claims(("scene.npz", "depth/a.png")))
        with pytest.raises(OutputError, match=r"depth/a\.png"):
            result.claim(Claims(folders=("depth",)))
        result.claim(Claims(("scene.npz", "depth/b.png")))
    assert content(tmp_path) == {"depth/a.png": "theirs"}


def test_what_was_changed_since_is_refused_and_as_a_left_over_stays(tmp_path, caplog):
    write_result(tmp_path, OLD)
    write_files(tmp_path, {"depth/a.png": "OLD a", "depth/b.png": "edited"})
    with pytest.raises(OutputError, match=r"depth/a\.png, changed since"):
        write_result(tmp_path, NEW)
    assert content(tmp_path) == OLD | {"depth/a.png": "OLD a", "depth/b.png": "edited"}
    write_files(tmp_path, {"depth/a.png": "old a"})
    write_result(tmp_path, NEW)
    assert content(tmp_path) == NEW | {"depth/b.png": "edited"}
    assert "depth/b.png in" in caplog.text


def test_with_leave_to_overwrite_only_what_is_in_the_way_is_replaced(tmp_path):
    write_files(tmp_path, {"scene.npz": "theirs", "sparse/0/images.txt": "t", "sparse/0/x": "x"})
    with open_result(tmp_path, overwrite=True) as result:
        absent = ("sparse/0/images.txt", "sparse/0/images.bin")
        result.claim(Claims(("scene.npz",), folders=("sparse/0",), absent=absent))
        with result.staged(complete=True) as staging:
            write_files(staging.folder, {"scene.npz": "ours", "sparse/0/images.bin": "b"})
    kept = {"scene.npz": "ours", "sparse/0/images.bin": "b", "sparse/0/x": "x"}
    assert content(tmp_path) == kept
    write_result(tmp_path, NEW)
    assert content(tmp_path) == NEW | {"sparse/0/x": "x"}


def test_a_file_that_appears_while_the_work_runs_stops_the_move(tmp_path):
    write_result(tmp_path, OLD)

    def run() -> None:
        with open_result(tmp_path) as result, result.staged(complete=True) as staging:
            write_files(staging.folder, NEW)
            write_files(tmp_path, {"sub/deep/c": "theirs"})

    with pytest.raises(OutputError, match="sub/deep/c"):
        run()
    assert content(tmp_path) == OLD | {"sub/deep/c": "theirs"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_nothing_is_written_through_links(tmp_path, overwrite):
    theirs, out = tmp_path / "photos", tmp_path / "out"
    write_files(theirs, {"a.png": "theirs"})
    out.mkdir()
    (out / "depth").symlink_to(theirs)
    with pytest.raises(OutputError, match="is a link"):
        write_result(out, NEW, overwrite=overwrite)
    (out / "depth").unlink()
    (out / "scene.npz").symlink_to(theirs / "a.png")
    with pytest.raises(OutputError, match="is a link"):
        write_result(out, NEW, overwrite=overwrite)
    assert content(theirs) == {"a.png": "theirs"}


def test_a_second_name_of_a_users_file_is_not_ours(tmp_path):
    write_files(tmp_path, {"photo": "theirs"})
    os.link(tmp_path / "photo", tmp_path / "scene.npz")
    with pytest.raises(OutputError, match=r"scene\.npz"):
        write_result(tmp_path, NEW)
    write_result(tmp_path, NEW, overwrite=True)
    assert (tmp_path / "photo").read_text() == "theirs"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_in_the_way_of_a_file_and_the_reverse_are_refused(tmp_path, overwrite):
    (tmp_path / "scene.npz").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        write_result(tmp_path, NEW, overwrite=overwrite)
    (tmp_path / "scene.npz").rmdir()
    write_files(tmp_path, {"sub": "file"})
    with pytest.raises(OutputError, match="is a file"):
        write_result(tmp_path, NEW, overwrite=overwrite)
    assert content(tmp_path) == {"sub": "file"}


def test_names_that_the_file_system_cannot_take_are_refused_before_the_work(tmp_path):
    longest = os.pathconf(tmp_path, "PC_NAME_MAX")
    with open_result(tmp_path) as result:
        result.claim(Claims((f"depth/{'a' * longest}",)))
        with pytest.raises(OutputError, match=f"has {longest + 1} bytes"):
            result.claim(Claims((f"depth/{'a' * (longest + 1)}",)))


@pytest.mark.parametrize("path", ["../x.npz", "a/../../x.npz", "/tmp/x.npz"])
def test_nothing_is_claimed_outside_of_the_folder(tmp_path, path):
    with (
        open_result(tmp_path / "out", overwrite=True) as result,
        pytest.raises(OutputError, match="must be written inside of"),
    ):
        result.claim(Claims((path,)))


def test_a_folder_that_is_part_of_another_result_is_refused(tmp_path):
    write_result(tmp_path, OLD)
    with pytest.raises(OutputError, match="is part of the result in"):
        write_result(tmp_path / "depth", NEW)
    write_result(tmp_path / "another", NEW)
    write_result(tmp_path, NEW)
    assert content(tmp_path / "another") == NEW


@pytest.mark.parametrize("error", [OutputError("no"), KeyboardInterrupt(), RuntimeError()])
def test_a_failure_leaves_the_earlier_result_or_no_folder(tmp_path, error):
    def fail(root: Path) -> None:
        with open_result(root) as result, result.staged(complete=True) as staging:
            write_files(staging.folder, NEW)
            raise error

    write_result(tmp_path / "old", OLD)
    for name in ("old", "new/er"):
        with pytest.raises(type(error)):
            fail(tmp_path / name)
    assert content(tmp_path) == {f"old/{name}": text for name, text in OLD.items()}
    assert not (tmp_path / "new").exists()
    assert {path.name for path in (tmp_path / "old").glob(".*")} == {MANIFEST_FILE}


def test_a_door_within_a_door_is_the_same(tmp_path):
    with open_result(tmp_path / "out") as result, result.staged(complete=True) as staging:
        write_result(tmp_path / "out", {"a": "1"}, complete=False)
        write_result(staging.folder / "part", {"b": "2"})
        assert not (tmp_path / "out" / "a").exists()
    assert content(tmp_path / "out") == {"a": "1", "part/b": "2"}


def test_a_copied_result_is_still_ours(tmp_path):
    write_result(tmp_path / "a", OLD)
    write_files(tmp_path / "b", OLD)
    manifest = (tmp_path / "a" / MANIFEST_FILE).read_bytes()
    (tmp_path / "b" / MANIFEST_FILE).write_bytes(manifest)
    write_result(tmp_path / "b", NEW)
    assert content(tmp_path / "b") == NEW


@pytest.mark.parametrize("linked", ["sub", ".glance3d-staging-0123456789ab"])
def test_a_move_of_somebody_elses_manifest_does_not_leave_the_folder(tmp_path, linked):
    root, home = tmp_path / "from elsewhere", tmp_path / "home"
    staging = ".glance3d-staging-0123456789ab"
    write_files(home, {"sub/x": "mine", "y": "mine"})
    write_files(root, {f"{staging}/sub/x": "theirs", "sub/z": "z"})
    if linked == staging:
        shutil.rmtree(root / staging)
    else:
        shutil.rmtree(root / "sub")
    (root / linked).symlink_to(home)
    mark = Fingerprint.of(home / "y")
    move = Move(staging, ("sub/x",), {"sub/x": mark}, {}, {"sub/y": mark})
    write_manifest(root, Manifest({}, move))
    with pytest.raises(OutputError, match="is unfinished"):
        settle(root)
    assert content(home) == {"sub/x": "mine", "y": "mine"}


def test_a_move_that_cannot_be_finished_is_said_by_readers_and_mended_by_leave(tmp_path):
    write_result(tmp_path, OLD)
    record = json.loads((tmp_path / MANIFEST_FILE).read_text())
    name, files = ".glance3d-staging-0123456789ab", record["files"]
    gone = {"scene.npz": {"size": 1, "sha256": "0" * 64}}
    move = {"staging": name, "moves": list(gone), "files": gone, "replaces": files, "removes": {}}
    text = json.dumps({**record, "state": "moving", "move": move})
    (tmp_path / MANIFEST_FILE).write_text(text)
    for read in (settle, lambda path: settle(path / "depth" / "a.png")):
        with pytest.raises(OutputError, match="is unfinished"):
            read(tmp_path)
    with pytest.raises(OutputError, match="is unfinished"):
        write_result(tmp_path, NEW)
    assert content(tmp_path) == OLD
    write_result(tmp_path, NEW, overwrite=True)
    assert content(tmp_path) == NEW
