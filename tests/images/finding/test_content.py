"""A photo is known by what is in its file."""

import hashlib
import os
from pathlib import Path

import pytest
from PIL import Image

from glance3d.errors import ImageError
from glance3d.images import Preprocessing, content_of, load_images
from glance3d.types import PhotoContent
from tests.images.files import gradient

SMALL = Preprocessing(max_pixels=126 * 98)


def saved(path: Path, width: int = 160) -> Path:
    Image.fromarray(gradient(width, 120)).save(path)
    return path


def test_loaded_photos_come_with_their_content_and_whole_path(tmp_path, monkeypatch):
    paths = [saved(tmp_path / name, width) for name, width in (("a.png", 160), ("b.jpg", 200))]
    monkeypatch.chdir(tmp_path)
    batch = load_images(["a.png", "b.jpg"], SMALL)
    assert batch.sources == tuple(map(str, paths))
    assert batch.contents == tuple(
        PhotoContent(path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in paths
    )
    assert all(content.is_valid for content in batch.contents)
    assert batch.of_views([1, 0]).contents == batch.contents[::-1]


def test_images_in_memory_have_none():
    assert load_images([gradient(160, 120)], SMALL).contents == (None,)


def test_a_file_that_was_written_anew_is_read_anew(tmp_path):
    path = saved(tmp_path / "a.png")
    before = content_of(path)
    assert content_of(path) == before
    saved(path, 200)
    assert content_of(path) != before


def test_pipes_and_folders_are_no_photos(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    for name in ("pipe.jpg", "."):
        with pytest.raises(ImageError, match="must be a file, got"):
            content_of(tmp_path / name)
    with pytest.raises(ImageError, match=r"gone\.jpg cannot be read"):
        content_of(tmp_path / "gone.jpg")
