"""Nothing in a folder is left out in silence, and results are never taken for photos."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glance3d.errors import ImageError
from glance3d.images import find_sources, load_images
from glance3d.results import Fingerprint, Manifest, write_manifest
from tests.images.files import gradient


def photo(path: Path, shade: int = 0, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.roll(gradient(40, 24), shade, axis=1)
    Image.fromarray(picture).save(path, **options)
    return path


def reasons_of(sources) -> dict[str, str]:
    return {Path(photo.source).name: photo.reason for photo in sources.skipped}


def result(folder: Path, *names: str) -> Path:
    """A folder of results whose manifest names these pictures."""
    files = {name: Fingerprint.of(photo(folder / name, 3)) for name in names}
    write_manifest(folder, Manifest(files))
    return folder


def test_what_looks_like_an_input_is_named_with_its_reason(tmp_path):
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "b", 1, format="PNG")
    photo(tmp_path / "c.jpg.orig", 2, format="JPEG")
    photo(tmp_path / "live.jpg", 3)
    (tmp_path / "live.MOV").write_bytes(b"x")
    (tmp_path / "d.CR3").write_bytes(b"x")
    (tmp_path / "e.xyz").write_bytes(b"x")
    (tmp_path / "f").write_bytes(b"8BPS" + bytes(20))
    (tmp_path / "dead.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "a.jpg")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
    sources = find_sources(tmp_path)
    assert [path.name for path in sources.paths] == ["a.jpg", "b", "live.jpg"]
    expected = {
        "c.jpg.orig": "holds JPEG, but its suffix .orig",
        "live.MOV": "clip of a live photo",
        "d.CR3": "a camera's raw file: export it as JPEG or TIFF first",
        "e.xyz": "unknown suffix .xyz",
        "f": "holds Photoshop",
        "dead.jpg": "cannot be read: No such file",
        "link.jpg": "the same file as a.jpg",
    }
    if hasattr(os, "mkfifo"):
        expected["pipe.jpg"] = "is a named pipe"
    reasons = reasons_of(sources)
    assert reasons.keys() == expected.keys()
    assert all(expected[name] in reason for name, reason in reasons.items())
    assert {photo.source for photo in load_images(tmp_path).skipped} == {
        photo.source for photo in sources.skipped
    }


def test_what_only_lies_beside_photos_is_not_counted(tmp_path):
    photo(tmp_path / "a.jpg")
    for name in (".DS_Store", "Thumbs.db", "a.xmp", "notes.txt", "a.json", "README", "list"):
        (tmp_path / name).write_text("words")
    assert find_sources(tmp_path).skipped == ()
    assert find_sources(f"{tmp_path}/*").skipped == ()


def test_skipped_files_break_neither_masks_nor_order(tmp_path):
    for index in (1, 2, 4):
        photo(tmp_path / "photos" / f"{index}.jpg", index)
    (tmp_path / "photos" / "0.CR2").write_bytes(b"x")
    (tmp_path / "photos" / "3.jpg").write_bytes(b"x")
    for index in range(5):
        path = tmp_path / "masks" / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("L", (40, 24), 255 if index % 2 else 0).save(path)
    batch = load_images(tmp_path / "photos", masks=tmp_path / "masks")
    assert batch.names == ("1.jpg", "2.jpg", "4.jpg")
    assert [mask.share for mask in batch.masks if mask is not None] == [1, 0, 0]
    assert len(batch.skipped) == 2


def test_copies_of_a_photo_are_named(tmp_path):
    content = photo(tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a (1).jpg").write_bytes(content)
    photo(tmp_path / "b.jpg", 1)
    batch = load_images(tmp_path)
    assert len(batch.names) == 3
    assert any("a.jpg of a (1).jpg" in note for note in batch.notes)


def test_a_folder_within_that_was_not_looked_into_is_named(tmp_path):
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "more" / "b.jpg")
    photo(tmp_path / "masks" / "a.png")
    (tmp_path / "texts").mkdir()
    notes = find_sources(tmp_path, apart=tmp_path / "masks").notes
    assert len(notes) == 1
    assert "more/" in notes[0]


def test_results_are_not_found_by_a_pattern_or_in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo(tmp_path / "cam" / "a.jpg")
    result(tmp_path / "scene", "images/a.jpg", "depth/a.png", "preview.jpg")
    photo(tmp_path / "scene" / "mine.jpg")
    sources = find_sources("**/*.*")
    assert [str(path) for path in sources.paths] == ["cam/a.jpg", "scene/mine.jpg"]
    assert "3 files are results of Glance3D" in sources.notes[0]
    assert [path.name for path in find_sources("scene").paths] == ["mine.jpg"]
    with pytest.raises(ImageError, match="results of Glance3D, which are no photos"):
        find_sources("scene/depth")


def test_the_copies_of_a_scene_may_be_named_outright(tmp_path):
    scene = result(tmp_path / "scene", "images/a.jpg")
    for named in (scene / "images", scene / "images" / "a.jpg"):
        sources = find_sources(named)
        assert [path.name for path in sources.paths] == ["a.jpg"]
        assert sources.notes
    # As a shell expands a pattern: beside photos, they are what the shell came upon.
    mine = photo(tmp_path / "cam" / "b.jpg")
    assert find_sources([mine, scene / "images" / "a.jpg"]).paths == (mine,)


def test_results_of_scenes_without_a_manifest_are_known(tmp_path):
    scene = tmp_path / "scene"
    photo(scene / "images" / "copy.jpg")
    mine = photo(scene / "images" / "mine.jpg", 1)
    photo(scene / "depth" / "mine.png")
    (scene / "scene.npz").write_bytes(b"x")
    (scene / "report.json").write_text(json.dumps({"views": [{"source": str(mine)}, 3]}))
    assert find_sources(f"{tmp_path}/**/*.*").paths == (mine,)
