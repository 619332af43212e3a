"""Names that look the same are the same name."""

import unicodedata

from glance3d.files.name_keys import composed, distinct_names, name_key


def test_composed_and_decomposed_names_are_one():
    for name in ("Küche 1.jpg", "Ångström.png", "がぎぐ.jpg", "한글.jpg", "ΐ.jpg"):
        apart = unicodedata.normalize("NFD", name)
        assert apart != name
        assert composed(apart) == composed(name) == name
        assert name_key(apart) == name_key(name) == name_key(name.upper())


def test_different_names_stay_different():
    names = ["a.jpg", "ä.jpg", "a.jpeg", "b.jpg", "a .jpg", "bad\udcff.jpg", "bad\udcfe.jpg"]
    assert len({name_key(name) for name in names}) == len(names)
    assert composed("A.jpg") != composed("a.jpg")


def test_names_of_files_are_no_paths_and_unlike():
    given = [
        "room",
        "Room",
        "../../x",
        "/x",
        "",
        "..",
        "a\x1b[31m",
        "Ku\u0308che 1",
        "room-2",
        "a/b",
    ]
    names = distinct_names(given)
    assert names[:2] == ["room", "Room-2"]
    assert names[8] == "room-2-2"
    assert names[7] == "K\u00fcche 1"
    assert len({name_key(name) for name in names}) == len(given)
    for name in names:
        assert name == name.strip(" .") != ""
        assert not {"/", "\\", "\x1b"} & set(name)
    assert len(distinct_names(["x" * 5000])[0]) < 200
