"""Depth maps of other programs: numbers as stored, or one sentence before anything is allocated."""

import io

import numpy as np
import pytest
from PIL import Image

from glance3d.errors import ImageError
from glance3d.images.decoding.depth_maps import read_depth_map

VALUES = np.arange(12, dtype=np.uint16).reshape(3, 4) * 1000


def npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<f4", "<f8", "<i4"])
def test_arrays_come_as_they_are(tmp_path, dtype):
    path = tmp_path / "depth.npy"
    for values in (VALUES.astype(dtype), np.asfortranarray(VALUES.astype(dtype)), VALUES[None]):
        path.write_bytes(npy(values))
        assert np.array_equal(read_depth_map(path), VALUES)


def test_pictures_of_one_channel_come_as_they_are(tmp_path):
    Image.fromarray(VALUES).save(tmp_path / "depth.png")
    assert np.array_equal(read_depth_map(tmp_path / "depth.png"), VALUES)


def with_header(text: str) -> bytes:
    content = text.encode()
    return b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content


HEADER = "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (with_header(HEADER.replace("(3, 4)", "(300000, 400000)")), "make it smaller"),
        (with_header(HEADER), "cut short: too few bytes for 4 x 3 numbers"),
        (with_header(HEADER.replace("<f8", "|O")), "got object of shape"),
        (with_header(HEADER.replace("(3, 4)", "(3, 4, 3)")), "must be one channel"),
        (with_header(HEADER.replace("(3, 4)", "(" * 900)), "cannot be decoded"),
        (b"\x93NUMPY\x09\x00", r"version must be .*, got \(9, 0\)"),
        (npy(VALUES)[:9], "depth.npy cannot be"),
        (b"", "empty"),
    ],
)
def test_what_is_no_depth_map_is_refused(tmp_path, content, message):
    path = tmp_path / "depth.npy"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=message):
        read_depth_map(path)


def test_colours_and_folders_are_no_depth_maps(tmp_path):
    Image.new("RGB", (4, 3)).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match="must be one channel"):
        read_depth_map(tmp_path / "a.png")
    with pytest.raises(ImageError, match="got a folder"):
        read_depth_map(tmp_path)
