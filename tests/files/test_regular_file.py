"""Pipes, devices and folders are told apart from files without being opened."""

import os
import socket

import pytest

from glance3d.errors import ImageError
from glance3d.files.regular_file import regular_file


def test_a_file_and_a_link_to_it_pass(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "a.jpg")
    assert regular_file(str(tmp_path / "a.jpg"), error=ImageError) == tmp_path / "a.jpg"
    assert regular_file(tmp_path / "link.jpg", error=ImageError).name == "link.jpg"


def test_anything_else_is_refused_by_its_kind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path may not be long
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "dead.jpg").symlink_to(tmp_path / "gone.jpg")
    kinds = {".": "a folder", "empty.jpg": r"empty \(0 bytes\)", "dead.jpg": "cannot be read"}
    if hasattr(os, "mkfifo"):
        os.mkfifo("pipe.jpg")
        kinds |= {"pipe.jpg": "a named pipe", os.devnull: "a device"}
    if hasattr(socket, "AF_UNIX"):
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("socket.jpg")
        kinds["socket.jpg"] = "a socket"
    for name, kind in kinds.items():
        with pytest.raises(ImageError, match=kind):
            regular_file(name, error=ImageError)
    with pytest.raises(ImageError, match="cannot be read"):
        regular_file("zero\0byte.jpg", error=ImageError)
