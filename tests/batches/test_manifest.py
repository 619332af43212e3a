"""The list of scenes: a folder or JSON lines; what is not understood is refused in one sentence."""

import json
from pathlib import Path

import pytest

from glance3d.batches import manifest
from glance3d.batches.manifest import read_manifest
from glance3d.batches.scenes import check_name
from glance3d.errors import InputError


def _lines(folder: Path, *records: object) -> Path:
    path = folder / "scenes.jsonl"
    texts = [one if isinstance(one, str) else json.dumps(one) for one in records]
    path.write_text("\n".join(texts))
    return path


def test_lines_in_order_with_paths_from_their_folder_on(tmp_path: Path) -> None:
    path = _lines(
        tmp_path,
        {"name": "castle", "photos": "a", "options": {"views": 3}},
        "",
        {"name": "the church", "photos": ["b/1.jpg", "/c/*.jpg"]},
    )
    first, second = read_manifest(path).entries
    assert (first.name, first.sources, first.options) == (
        "castle",
        (str(tmp_path / "a"),),
        {"views": 3},
    )
    assert second.sources == (str(tmp_path / "b/1.jpg"), "/c/*.jpg")
    assert "line 3" in second.where


def test_folders_and_clips_are_scenes_and_loose_photos_are_said(tmp_path: Path) -> None:
    for name in ("s10", "s2", ".hidden", "results"):
        (tmp_path / name).mkdir()
    for name in ("walk.mp4", "loose.jpg"):
        (tmp_path / name).write_bytes(b"x")
    content = read_manifest(tmp_path, out=tmp_path / "results")
    assert [entry.name for entry in content.entries] == ["s2", "s10", "walk"]
    assert content.entries[2].sources == (str(tmp_path / "walk.mp4"),)
    assert "1 file is directly in" in content.notes[0]
    assert "loose.jpg" in content.notes[0]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[1]", "must hold a JSON object"),
        ({"name": "a"}, 'must hold "photos"'),
        ({"photos": "a"}, 'must hold "name"'),
        ({"name": "a", "photos": []}, "an empty list"),
        ({"name": "a", "photos": [1]}, "a list with other things"),
        ({"name": "a", "photos": "p", "color": 1}, "unknown key 'color'"),
        ({"name": "a", "photos": "p", "options": [1]}, '"options" in line 1'),
        ({"name": "a/b", "photos": "p"}, "usable as the name of a folder"),
        ({"name": "..", "photos": "p"}, "begin with no dot"),
        ({"name": "a\x1b[31m", "photos": "p"}, r"got 'a\x1b[31m'"),
        ('{"name": "a", "photos": "p", "options": {"x": 1e999}}', "must be finite"),
    ],
)
def test_a_line_that_is_not_understood_is_named(
    tmp_path: Path, record: object, message: str
) -> None:
    with pytest.raises(InputError) as error:
        read_manifest(_lines(tmp_path, record))
    assert message in str(error.value)
    assert "line 1 of" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("other", ["castle", "Castle"])
def test_names_that_are_one_folder_are_refused(tmp_path: Path, other: str) -> None:
    path = _lines(tmp_path, *({"name": name, "photos": "p"} for name in ("castle", other)))
    with pytest.raises(InputError, match=r"names of scenes must differ.*line 1 .*line 2 "):
        read_manifest(path)


def test_an_empty_list_and_one_that_is_too_long_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="holds no scenes"):
        read_manifest(_lines(tmp_path, ""))
    with pytest.raises(InputError, match="glance3d reconstruct"):
        read_manifest(tmp_path)
    monkeypatch.setattr(manifest, "MANIFEST_LIMIT", 10)
    with pytest.raises(InputError, match="longer than 10 bytes"):
        read_manifest(_lines(tmp_path, {"name": "a", "photos": "p"}))


@pytest.mark.parametrize("name", ["", " a", "a.", "CON", "nul.txt", "a:b", "batch.json", "é" * 101])
def test_names_that_some_system_lacks_are_refused(name: str) -> None:
    with pytest.raises(InputError):
        check_name(name)


@pytest.mark.parametrize("name", ["castle", "Notre-Dame (2)", "大聖堂", "a.b.0001.json", "conus"])
def test_names_that_every_system_has_are_taken(name: str) -> None:
    assert check_name(name) == name
