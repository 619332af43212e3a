"""Zips that mean harm: none writes outside, fills the disk, or ends in a traceback."""

import zipfile
from pathlib import Path

import pytest

from glance3d.errors import InputError
from glance3d.service.jobs.limits import Limits
from glance3d.service.running.unpack import unpack_zips


def _packed(folder: Path, entries: dict[str, bytes], name: str = "photos.zip") -> Path:
    inputs = folder / "inputs"
    inputs.mkdir(exist_ok=True)
    with zipfile.ZipFile(inputs / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in entries.items():
            archive.writestr(entry, content)
    return inputs


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_photos_are_unpacked_by_their_last_names(tmp_path):
    entries = {
        "a/1.jpg": b"a",
        "b/1.jpg": b"b",
        "../../out.png": b"c",
        "/etc/root.png": b"d",
        "notes.txt": b"no photo",
        "__MACOSX/a/._1.jpg": b"no photo",
        "within.zip": b"no photo",
    }
    inputs = _packed(tmp_path, entries)
    (inputs / "root.png").write_bytes(b"sent beside it")
    assert unpack_zips(inputs, tmp_path / "unpacked", Limits()) == 4
    assert _names(tmp_path / "unpacked") == ["1-2.jpg", "1.jpg", "out.png", "root-2.png"]
    assert _names(tmp_path) == ["inputs", "unpacked"]


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    inputs = _packed(tmp_path, {"a.png": bytes(40 * 1024**2)})
    with pytest.raises(InputError, match="shrinks more than photos"):
        unpack_zips(inputs, tmp_path / "unpacked", Limits())


def test_a_zip_that_says_too_little_of_its_size_is_stopped(tmp_path):
    inputs = _packed(tmp_path, {"a.png": bytes(range(256)) * 40})
    path = inputs / "photos.zip"
    content = path.read_bytes()
    told = (10240).to_bytes(4, "little")
    assert content.count(told) == 2
    path.write_bytes(content.replace(told, (10).to_bytes(4, "little")))
    with pytest.raises(InputError):
        unpack_zips(inputs, tmp_path / "unpacked", Limits())


@pytest.mark.parametrize(
    ("limits", "words"), [(Limits(job_bytes=1500), "GB"), (Limits(job_files=1), "at most 1 files")]
)
def test_limits_hold_for_what_is_in_zips(tmp_path, limits, words):
    inputs = _packed(tmp_path, {"a.png": bytes(1000), "b.png": bytes(1000)})
    with pytest.raises(InputError, match=words):
        unpack_zips(inputs, tmp_path / "unpacked", limits)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and then nothing", b"no zip" * 100])
def test_what_is_no_zip_is_one_sentence(tmp_path, content):
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as a zip"):
        unpack_zips(tmp_path / "inputs", tmp_path / "unpacked", Limits())


def test_a_zip_without_photos_is_refused(tmp_path):
    inputs = _packed(tmp_path, {"notes.txt": b"x"})
    with pytest.raises(InputError, match="must hold photos"):
        unpack_zips(inputs, tmp_path / "unpacked", Limits())
