"""Text and JSON of other programs: marks, line ends, sizes, depths and types."""

import os

import pytest

from glance3d.errors import CamerasError
from glance3d.files.json_input import parse_json_object, read_json_object, read_number
from glance3d.files.text_input import read_text

TEXT = "1 Küche.jpg\n\n2 b.jpg\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_marks_and_line_ends_make_no_difference(tmp_path, encoding, end):
    path = tmp_path / "a.txt"
    path.write_bytes(TEXT.replace("\n", end).encode(encoding))
    assert read_text(path, error=CamerasError) == TEXT


def test_what_is_no_utf_8_names_the_line_or_is_kept(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"1 a\n2 K\xfcche\n")
    with pytest.raises(CamerasError, match=r"line 2 of .*a\.txt is not utf-8"):
        read_text(path, error=CamerasError)
    kept = read_text(path, error=CamerasError, keep_undecodable=True)
    assert os.fsencode(kept) == path.read_bytes()


def test_what_is_no_text_is_refused(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(TEXT.encode("utf-16-le"))
    with pytest.raises(CamerasError, match="UTF-16 without a mark"):
        read_text(path, error=CamerasError)
    path.write_text("12345")
    with pytest.raises(CamerasError, match="longer than 4 bytes"):
        read_text(path, error=CamerasError, limit=4)
    with pytest.raises(CamerasError, match="cannot be read"):
        read_text(tmp_path / "absent", error=CamerasError)
    with pytest.raises(CamerasError, match="must be a file, got a folder"):
        read_text(tmp_path, error=CamerasError)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CamerasError, match="must be a file, got a named pipe"):
        read_text(tmp_path / "pipe", error=CamerasError)
    with pytest.raises(CamerasError, match="must be a file, got a device"):
        read_text("/dev/zero", error=CamerasError)


def test_json_is_an_object_of_bounded_depth(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": [1]}\r\n')
    assert read_json_object(path, error=CamerasError) == {"a": [1]}
    refused = {
        "[1, 2": "cannot be read as JSON",
        "[1]": "must hold a JSON object, got a list",
        '{"a": ' + "[" * 40 + "]" * 40 + "}": "nested deeper than 32 levels",
        '{"a": ' + "[" * 10**5 + "]" * 10**5 + "}": "nested deeper than 32 levels",
        '{"a": ' + "1" * 5000 + "}": "cannot be read as JSON",
    }
    for text, message in refused.items():
        with pytest.raises(CamerasError, match=message):
            parse_json_object(text, "a.json", error=CamerasError)


def test_numbers_are_finite_and_within_their_bounds():
    assert read_number("2.5", "w", error=CamerasError) == 2.5
    for value in (float("nan"), 10**400, True, None, [1], "wide", "1e400"):
        with pytest.raises(CamerasError, match=r"w must be a finite number, got .*"):
            read_number(value, "w", error=CamerasError)
    with pytest.raises(CamerasError, match="w must be a number from 0 to 10, got -1"):
        read_number(-1, "w", error=CamerasError, low=0.0, high=10.0)
