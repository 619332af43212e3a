"""Names that every tool reads, that never collide and never lead astray."""

from dataclasses import replace

import pytest

from glance3d.images.naming.file_names import depth_file_names, photo_file_names


def named(scene, *names):
    return replace(scene, names=names)


@pytest.mark.parametrize(
    ("name", "photo", "depth"),
    [
        ("IMG 1.JPG", "IMG 1.JPG", "IMG 1.png"),
        ("a.b.jpeg", "a.b.jpeg", "a.b.png"),
        ("x.HEIC", "x.jpg", "x.png"),
        ("x.webp", "x.jpg", "x.png"),
        ("x.tiff", "x.png", "x.png"),
        ("view_000", "view_000.png", "view_000.png"),
        ("frame 1.25", "frame 1.25.jpg", "frame 1.25.png"),
        ("../../etc/x.jpg", "_.._etc_x.jpg", "_.._etc_x.png"),
        ("", "photo.png", "photo.png"),
    ],
)
def test_names(scene, name, photo, depth):
    assert photo_file_names(named(scene, name)) == [photo]
    assert depth_file_names(named(scene, name)) == [depth]


def test_photos_that_would_become_one_file_are_numbered(scene):
    many = named(scene, "a.jpg", "a.heic", "A.JPG", "a.png", "a_2.jpg")
    photos, depths = photo_file_names(many), depth_file_names(many)
    assert photos == ["a.jpg", "a_2.jpg", "A_3.JPG", "a.png", "a_2_2.jpg"]
    assert len({name.lower() for name in depths}) == 5


def test_devices_and_marks_of_direction_are_no_names(scene):
    names = ("con.jpg", "a\u202egpj.exe\x85.png", "LPT1", "\ud800\udc80.png")
    shown = photo_file_names(replace(scene, names=names))
    assert shown == ["_con.jpg", "a_gpj.exe_.png", "_LPT1.png", "_\udc80.png"]
