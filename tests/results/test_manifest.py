"""A manifest names what is ours, and is read as data from anywhere."""

import json

import pytest

from glance3d.errors import OutputError
from glance3d.results import (
    MANIFEST_FILE,
    Fingerprint,
    Manifest,
    is_own_result,
    read_manifest,
    write_manifest,
)


def folder_with_manifest(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"content of {name}")
    files = {name: Fingerprint.of(folder / name) for name in names}
    write_manifest(folder, Manifest(files))
    return files


def test_what_is_written_is_read_back(tmp_path):
    names = "scene.npz", "depth/b \u00fc.png"
    assert read_manifest(tmp_path) is None
    files = folder_with_manifest(tmp_path, *names)
    assert read_manifest(tmp_path) == Manifest(files)


def test_a_file_is_ours_by_a_manifest_in_a_folder_above_it(tmp_path):
    folder_with_manifest(tmp_path / "out", "depth/a.png")
    (tmp_path / "out" / "depth" / "mine.png").write_text("content")
    assert is_own_result(tmp_path / "out" / "depth" / "a.png")
    assert not is_own_result(tmp_path / "out" / "depth" / "mine.png")
    assert not is_own_result(tmp_path / "out" / "depth" / "none.png")
    (tmp_path / "out" / "depth" / "a.png").write_text("changed and longer than it was")
    assert not is_own_result(tmp_path / "out" / "depth" / "a.png")


def test_a_manifest_that_changed_is_read_again(tmp_path):
    folder_with_manifest(tmp_path, "a")
    assert not is_own_result(tmp_path / "b")
    folder_with_manifest(tmp_path, "a", "b")
    assert is_own_result(tmp_path / "b")


@pytest.mark.parametrize("part", ["all", "ends", "start"])
def test_a_fingerprint_matches_the_file_alone(tmp_path, part):
    path, link = tmp_path / "a", tmp_path / "link"
    path.write_bytes(b"x" * (5 << 20) + b"\n")
    mark = Fingerprint.of(path, part)
    link.symlink_to(path)
    assert mark.matches(path)
    assert not mark.matches(link)
    assert not mark.matches(tmp_path)
    assert not mark.matches(tmp_path / "none")
    with path.open("ab") as file:
        file.write(b"more")
    assert mark.matches(path) == (part == "start")
    path.write_bytes(b"y" + b"x" * ((5 << 20) - 1) + b"\n")
    assert not mark.matches(path)


HASH = "0" * 64
ENTRY = {"size": 1, "sha256": HASH}


@pytest.mark.parametrize(
    "record",
    [
        [],
        {},
        {"schema": "other", "files": {}},
        {"schema": "glance3d.manifest/1", "files": []},
        {"schema": "glance3d.manifest/1", "files": {"../up": ENTRY}},
        {"schema": "glance3d.manifest/1", "files": {"/etc/passwd": ENTRY}},
        {"schema": "glance3d.manifest/1", "files": {"a": {"size": -1, "sha256": HASH}}},
        {"schema": "glance3d.manifest/1", "files": {"a": {"size": 1, "sha256": "no"}}},
        {"schema": "glance3d.manifest/1", "files": {"a": {**ENTRY, "part": "none"}}},
        {"schema": "glance3d.manifest/1", "files": {}, "move": {"staging": "../up"}},
        {"schema": "glance3d.manifest/1", "files": {}, "move": 1},
    ],
)
def test_a_manifest_that_is_none_is_refused_in_one_sentence(tmp_path, record):
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(record))
    with pytest.raises(OutputError, match=MANIFEST_FILE):
        read_manifest(tmp_path)
    (tmp_path / "a").write_text("1")
    assert not is_own_result(tmp_path / "a")


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": "another"}'])
def test_a_damaged_manifest_says_what_to_do(tmp_path, text):
    (tmp_path / MANIFEST_FILE).write_text(text)
    with pytest.raises(OutputError, match="remove it, and what is in the folder counts as"):
        read_manifest(tmp_path)
