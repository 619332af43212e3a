"""Names of clients: no path comes through, and none is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glance3d.batches.scenes import check_name
from glance3d.errors import InputError
from glance3d.service.jobs.names import file_name, shown_name


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("IMG_0001.JPG", "IMG_0001.JPG"),
        ("../../etc/passwd.jpg", "passwd.jpg"),
        (r"C:\photos\a b.png", "a b.png"),
        ("..jpg", "photo.jpg"),
        ("a\x00\u202eb<c>.jpg", "ab_c_.jpg"),
        ("con.png", "photo-con.png"),
        ("NUL.a.b.jpg", "photo-NUL.a.b.jpg"),
        ("é.heic", "é.heic"),
        (".hidden.mp4", "hidden.mp4"),
        ("*[a]?#t=1.png", "__a___t=1.png"),
    ],
)
def test_a_file_has_a_plain_name(given_name, name):
    assert file_name(given_name) == name


def test_two_files_of_one_name_are_both_kept():
    assert file_name("100/A.jpg", ["a.jpg"]) == "A-2.jpg"


@pytest.mark.parametrize("name", ["a.exe", "jpg", "", "a.npz", "weights.safetensors", "a.jpg/"])
def test_what_is_no_photo_clip_or_zip_is_refused(name):
    with pytest.raises(InputError, match="photos, clips or zips"):
        file_name(name)


@given(st.text(max_size=300) | st.from_regex(r"(con|aux|com1|nul)[. ]{0,2}\w?", fullmatch=True))
def test_any_name_becomes_one_that_every_system_has(name):
    made = file_name(f"{name}.jpg", ["photo.jpg"])
    assert check_name(made) == made
    assert made.endswith(".jpg")


def test_titles_are_one_line():
    assert shown_name("  a\n\x1b[31mb\u202e ") == "a [31mb"
    assert len(shown_name("x" * 1000)) == 120
