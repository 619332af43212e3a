"""The photos beside the cameras: upright, at their size, never at the user's cost."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glance3d.errors import ImageError
from glance3d.exporters import export, load_scene, write_scene_folder
from glance3d.images import find_photo
from tests.exporters.analytic import build_scene, upright_pixels


def test_upright_files_are_copied_byte_for_byte_others_encoded_anew(scene, tmp_path):
    written = export(scene, tmp_path / "images")
    assert [path.name for path in written] == ["a.jpg", "b.png", "C.JPG", "d.jpg"]
    same = [
        p.read_bytes() == Path(s).read_bytes() for p, s in zip(written, scene.sources, strict=True)
    ]
    assert same == [True, True, False, False]
    for path, placement in zip(written, scene.placements, strict=True):
        with Image.open(path) as image:
            assert image.format == ("PNG" if path.suffix == ".png" else "JPEG")
            assert image.size == placement.original_size
            assert image.getexif().get(0x0112, 1) == 1


def test_a_turned_photo_shows_the_same_upright(scene, tmp_path):
    export(scene, tmp_path / "images")
    stored = upright_pixels(Path(scene.sources[2]))
    turned = np.rot90(stored, -1).astype(int)
    assert np.abs(upright_pixels(tmp_path / "images" / "C.JPG") - turned).mean() < 1


@pytest.mark.parametrize("kind", ["L", "RGBA", "I;16", "P"])
def test_only_eight_bit_rgb_and_grey_are_copied(tmp_path, kind):
    scene = replace(build_scene(tmp_path, 2), contents=())  # whatever is there now
    source = Path(scene.sources[1])
    picture = Image.new(kind, scene.placements[1].original_size)
    picture.save(source)
    export(scene, tmp_path / "out" / "images")
    copy = tmp_path / "out" / "images" / "b.png"
    assert (copy.read_bytes() == source.read_bytes()) == (kind == "L")
    with Image.open(copy) as image:
        assert image.mode in ("RGB", "L")


def test_a_wrong_suffix_is_made_true(tmp_path):
    scene = replace(build_scene(tmp_path, 2), contents=())  # whatever is there now
    Image.new("RGB", scene.placements[1].original_size).save(scene.sources[1], format="JPEG")
    export(scene, tmp_path / "out" / "images")
    assert Image.open(tmp_path / "out" / "images" / "b.png").format == "PNG"


def test_gone_changed_and_broken_sources_are_warnings(tmp_path, caplog):
    scene = build_scene(tmp_path, 4)
    Path(scene.sources[0]).unlink()
    Image.new("RGB", (33, 44)).save(scene.sources[1])
    Path(scene.sources[2]).write_bytes(b"no photo any more")
    written = export(scene, tmp_path / "out" / "images")
    assert [path.name for path in written] == ["d.jpg"]
    for message in (
        "a.jpg is not in images/",
        "b.png is not the photo that was reconstructed",
        "C.JPG is not in images/",
    ):
        assert message in caplog.text


def test_photos_in_their_own_images_folder_are_left_alone(tmp_path):
    photos = tmp_path / "images"
    photos.mkdir()
    scene = build_scene(photos, 2)
    before = {path.name: (path.read_bytes(), path.stat().st_ino) for path in photos.iterdir()}
    write_scene_folder(scene, tmp_path)
    assert {p.name: (p.read_bytes(), p.stat().st_ino) for p in photos.iterdir()} == before
    assert '"images/a.jpg"' in (tmp_path / "cameras.json").read_text()


def test_a_users_turned_photo_is_never_written_over(tmp_path):
    photos = tmp_path / "images"
    photos.mkdir()
    scene = build_scene(photos, 3)
    before = {path.name: path.read_bytes() for path in photos.iterdir()}
    write_scene_folder(scene, tmp_path)
    assert {path.name: path.read_bytes() for path in photos.iterdir()} == before
    assert (tmp_path / "images_upright" / "C.JPG").is_file()
    assert '"images_upright/C.JPG"' in (tmp_path / "cameras.json").read_text()
    assert '"images_upright/C.JPG"' in (tmp_path / "transforms.json").read_text()


def test_one_photo_never_takes_anothers_name(tmp_path):
    photos = tmp_path / "images"
    photos.mkdir()
    scene = build_scene(photos, 2)
    swapped = replace(scene, names=("b.jpg", "a.jpg"))  # a copy of a.jpg would be b.jpg and so on
    before = {path.name: path.read_bytes() for path in photos.iterdir()}
    write_scene_folder(swapped, tmp_path)
    assert {path.name: path.read_bytes() for path in photos.iterdir()} == before


def test_a_folder_that_moved_still_has_its_photos(tmp_path):
    """Turned and re-encoded copies are known by their own content."""
    (tmp_path / "photos").mkdir()
    scene = build_scene(tmp_path / "photos", 4)
    write_scene_folder(scene, tmp_path / "scene", formats=["images", "npz"])
    moved = (tmp_path / "scene").rename(tmp_path / "elsewhere")
    for source in scene.sources:
        Path(source).unlink()
    loaded = load_scene(moved)
    assert [find_photo(loaded, v).name for v in range(4)] == ["a.jpg", "b.png", "C.JPG", "d.jpg"]
    written = export(loaded, tmp_path / "again" / "images")
    assert [path.read_bytes() for path in written] == [
        (moved / "images" / path.name).read_bytes() for path in written
    ]
    Image.new("RGB", scene.placements[2].original_size).save(moved / "images" / "C.JPG")
    with pytest.raises(ImageError, match=r"C\.JPG is not this scene's copy"):
        find_photo(loaded, 2)
