"""A file is created by one alone, whole, also where there are no links."""

import errno
import os
from pathlib import Path

import pytest

from glance3d.errors import OutputError
from glance3d.files.exclusive import create_once


@pytest.mark.parametrize("has_links", [True, False])
def test_the_first_one_creates_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    def no_links(*paths: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    if not has_links:
        monkeypatch.setattr(os, "link", no_links)
    assert create_once(tmp_path / "a", b"first")
    assert not create_once(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_link_that_was_made_though_the_server_says_no_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def answered_twice(source: Path, target: Path) -> None:
        link(source, target)
        raise FileExistsError(errno.EEXIST, "asked again", str(target))

    monkeypatch.setattr(os, "link", answered_twice)
    assert create_once(tmp_path / "a", b"first")


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*paths: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(OutputError, match="the disk is full"):
        create_once(tmp_path / "a", b"first")
    assert list(tmp_path.iterdir()) == []
