"""Folders, files and patterns become ordered lists of photos with names of their own."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glance3d.errors import ImageError
from glance3d.images import resolve_sources
from glance3d.images.naming.unique_names import unique_names


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"x")
    return folder


def names_of(paths):
    return [path.name for path in paths]


def test_a_folder_is_sorted_naturally_without_hidden_and_other_files(tmp_path):
    touch(tmp_path, "img10.jpg", "img2.JPG", "IMG1.png", ".img0.jpg", "._img3.jpg", "notes.txt")
    (tmp_path / "img4.jpg").mkdir()
    assert names_of(resolve_sources(tmp_path)) == ["IMG1.png", "img2.JPG", "img10.jpg"]
    assert resolve_sources(str(tmp_path)) == resolve_sources(tmp_path)


def test_leading_zeros_and_case_have_a_fixed_order(tmp_path):
    touch(tmp_path, "a01.jpg", "a1.jpg", "A1.jpg", "a001.jpg", "7.jpg", "b.jpg")
    expected = ["7.jpg", "A1.jpg", "a001.jpg", "a01.jpg", "a1.jpg", "b.jpg"]
    assert names_of(resolve_sources(tmp_path)) == expected


def test_a_glob_is_sorted_folder_by_folder(tmp_path):
    touch(tmp_path / "cam10", "1.jpg", "notes.txt")
    touch(tmp_path / "cam9", "2.jpg", "11.jpg", ".3.jpg")
    sources = resolve_sources(str(tmp_path / "cam*" / "*"))
    assert [(p.parent.name, p.name) for p in sources] == [
        ("cam9", "2.jpg"),
        ("cam9", "11.jpg"),
        ("cam10", "1.jpg"),
    ]
    assert resolve_sources(f"{tmp_path}/**/*.jpg") == sources


def test_a_path_that_exists_is_no_pattern(tmp_path):
    touch(tmp_path / "shots [best]", "b.jpg", "a[1].jpg")
    assert names_of(resolve_sources(str(tmp_path / "shots [best]"))) == ["a[1].jpg", "b.jpg"]
    assert names_of(resolve_sources(tmp_path / "shots [best]" / "a[1].jpg")) == ["a[1].jpg"]


def test_a_list_keeps_its_order_and_drops_duplicates(tmp_path):
    touch(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "b.jpg")
    listed = [tmp_path / "c.jpg", str(tmp_path / "b.jpg"), tmp_path / "link.jpg", tmp_path]
    assert names_of(resolve_sources(listed)) == ["c.jpg", "b.jpg", "a.jpg"]
    roundabout = tmp_path / ".." / tmp_path.name / "a.jpg"
    assert resolve_sources([tmp_path / "a.jpg", roundabout]) == (tmp_path / "a.jpg",)


def test_home_is_expanded(tmp_path, monkeypatch):
    touch(tmp_path / "photos", "a.jpg")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert names_of(resolve_sources("~/photos")) == ["a.jpg"]


def test_errors_say_what_came_and_what_was_wanted(tmp_path):
    texts = touch(tmp_path / "texts", "a.txt", "b.txt", "c.txt")
    with pytest.raises(ImageError, match=r"no images in .*texts/ \(found 3 files: \.txt\)\. Reada"):
        resolve_sources(texts)
    with pytest.raises(ImageError, match=r"\(found no files\)\. Readable: \.avif, .*\.jpg"):
        resolve_sources(touch(tmp_path / "empty"))
    with pytest.raises(ImageError, match=r"no images match '.*\*\.txt' \(found 3 files: \.txt\)"):
        resolve_sources(f"{texts}/*.txt")
    with pytest.raises(ImageError, match=r"no images match .* \(found no files\)"):
        resolve_sources(f"{tmp_path}/nothing-*.jpg")
    with pytest.raises(ImageError, match="no photos were given"):
        resolve_sources([])


def test_an_error_points_to_images_in_a_subfolder(tmp_path):
    touch(tmp_path / "set" / "images", "a.jpg")
    with pytest.raises(ImageError, match=r"found no files; there are images in .*set/images/"):
        resolve_sources(tmp_path / "set")
    touch(tmp_path / "set" / "depth", "a.png")
    with pytest.raises(ImageError, match=r"images in .*set/depth/, .*set/images/"):
        resolve_sources(tmp_path / "set")


def test_every_missing_path_is_named(tmp_path):
    touch(tmp_path, "a.jpg")
    missing = [str(tmp_path / name) for name in ("x.jpg", "y.jpg")]
    with pytest.raises(ImageError, match=r"'.*x\.jpg', '.*y\.jpg' do not exist"):
        resolve_sources([tmp_path / "a.jpg", *missing])
    with pytest.raises(ImageError, match=r"'gone' does not exist \(looked from"):
        resolve_sources("gone")
    with pytest.raises(ImageError, match="'' does not exist"):
        resolve_sources("")
    with pytest.raises(ImageError, match="and 2 more do not exist"):
        resolve_sources([f"gone{i}" for i in range(7)])


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["p/a.jpg", "p/b.png"], ["a.jpg", "b.png"]),
        (["left/1.jpg", "right/1.jpg", "right/2.jpg"], ["left_1.jpg", "right_1.jpg", "2.jpg"]),
        (["x/l/1.jpg", "y/l/1.jpg"], ["x_l_1.jpg", "y_l_1.jpg"]),
        (["p/a.jpg", "p/a.png"], ["a_jpg.jpg", "a_png.png"]),
        (["p/a.jpg", "p/A.JPG"], ["a.jpg", "A_2.JPG"]),
        (["l/a.jpg", "l/a.png", "r/a.jpg"], ["l_a_jpg.jpg", "l_a_png.png", "r_a_jpg.jpg"]),
        (["l/1.jpg", "r/1.jpg", "p/l_1.jpg"], ["l_1_2.jpg", "r_1.jpg", "l_1.jpg"]),
        (["p/a:b?.jpg", "p/a b (1).jpg", "p/ä é.jpg"], ["a_b_.jpg", "a b (1).jpg", "ä é.jpg"]),
        (["p/bad\udcff.jpg"], ["bad_.jpg"]),
    ],
)
def test_names_are_the_photos_own_and_told_apart_where_they_clash(paths, expected):
    assert list(unique_names([Path("/set") / path for path in paths])) == expected


PARTS = st.text(st.sampled_from("abA1_. /\\"), min_size=1, max_size=4)


@given(st.lists(st.tuples(PARTS, PARTS, st.sampled_from([".jpg", ".png", ""])), max_size=8))
def test_names_are_always_plain_and_their_stems_unique(parts):
    paths = [Path(f"/set/{folder}/{stem}{suffix}") for folder, stem, suffix in parts]
    names = unique_names(paths)
    stems = {Path(name).stem.casefold() for name in names}
    assert len(stems) == len(names) == len(paths)
    assert not any("/" in name or "\\" in name or name in ("", ".", "..") for name in names)
    assert names == unique_names(paths)


def test_stems_that_one_system_takes_for_equal_are_told_apart():
    names = unique_names([Path("/set/l/K\u00fc.jpg"), Path("/set/r/Ku\u0308.png")])
    assert len({unicodedata.normalize("NFC", Path(name).stem) for name in names}) == 2
