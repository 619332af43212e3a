"""PLY files: what is written is read, and so is what others write."""

from pathlib import Path

import numpy as np
import pytest
import torch

from glance3d.errors import ImageError
from glance3d.formats.ply import read_ply_points, write_ply_vertices

VERTEX = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1")])


def test_what_is_written_is_read(tmp_path: Path) -> None:
    vertices = np.array([(1.5, -2.0, 3.0, 255), (0.0, 0.25, -7.0, 0)], VERTEX)
    path = write_ply_vertices(tmp_path / "a.ply", vertices, ["two\nlines"])
    assert b"comment two lines\n" in path.read_bytes()
    wanted = torch.tensor([[1.5, -2.0, 3.0], [0.0, 0.25, -7.0]], dtype=torch.float64)
    assert torch.equal(read_ply_points(path), wanted)


HEAD = "ply\nformat {} 1.0\nelement vertex 2\nproperty uchar red\nproperty double z\n"
HEAD += "property double y\nproperty double x\nelement face 1\nproperty list uchar int i\n"
HEAD += "end_header\n"


def test_text_and_big_endian_are_read_by_their_headers(tmp_path: Path) -> None:
    path = tmp_path / "a.ply"
    path.write_text(HEAD.format("ascii") + "1 3 2 1\n1 6 5 4\n3 0 1 1\n")
    wanted = torch.tensor([[1.0, 2, 3], [4, 5, 6]], dtype=torch.float64)
    assert torch.equal(read_ply_points(path), wanted)
    rows = np.array([(1, 3, 2, 1), (1, 6, 5, 4)], "u1,>f8,>f8,>f8").tobytes()
    path.write_bytes(HEAD.format("binary_big_endian").encode() + rows + b"\x03face")
    assert torch.equal(read_ply_points(path), wanted)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"plx", "must be a PLY file"),
        (HEAD.format("ascii").encode() + b"1 3 2 1\n", "must hold 2 points, got 1"),
        (HEAD.format("binary_little_endian").encode() + b"1", "is cut short"),
        (HEAD.format("ascii").encode() + b"1 3 2 nan\n1 2 3 4\n", "or some not finite"),
        (b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n1\n", "x, y and"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.ply").write_bytes(content)
    with pytest.raises(ImageError, match=f"a.ply.*{said}"):
        read_ply_points(tmp_path / "a.ply")
