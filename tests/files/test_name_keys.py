"""Names that look the same are the same name."""

import unicodedata

from glance3d.files.name_keys import composed, name_key


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
