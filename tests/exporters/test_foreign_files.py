"""An export never replaces what Glance3D did not write, and replaces its own as a whole."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from glance3d.errors import OutputError
from glance3d.exporters import FORMATS, export, load_scene, write_scene_folder
from glance3d.images.naming.file_names import depth_file_names, photo_file_names
from glance3d.results import is_own_result, read_manifest
from glance3d.types import ImageBatch, PhotoMask, Placement, Reconstruction
from tests.exporters.analytic import build_scene

# Those that need no extra and little time.
PLAIN = [name for name in FORMATS if name not in ("depth-exr", "gaussians", "las", "rerun")]
COLMAP = [f"sparse/0/{name}.bin" for name in ("cameras", "images", "points3D")]


def with_masks(scene: Reconstruction) -> Reconstruction:
    sizes = [placement.original_size for placement in scene.placements]
    masks = tuple(PhotoMask.from_array(np.ones((h, w), bool)) for w, h in sizes)
    return replace(scene, masks=masks)


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.mark.parametrize("name", PLAIN)
def test_every_format_spares_what_is_not_ours(scene, tmp_path, name):
    scene, path = with_masks(scene), tmp_path / FORMATS[name].path_in_folder
    written = export(scene, path, format=name)
    assert all(is_own_result(file) for file in written)
    export(scene, path, format=name)  # its own, unchanged
    theirs = written[0]
    theirs.write_text("theirs, or changed by them")
    before = files_below(tmp_path)
    with pytest.raises(OutputError, match=r"changed since Glance3D wrote it.*--overwrite"):
        export(scene, path, format=name)
    (tmp_path / ".glance3d-manifest.json").unlink()
    with pytest.raises(OutputError, match=r"not written by Glance3D.*--overwrite"):
        export(scene, path, format=name)
    assert files_below(tmp_path) == before
    export(scene, path, format=name, overwrite=True)
    assert theirs.read_bytes() != b"theirs, or changed by them"
    ours = set(read_manifest(tmp_path).files)
    assert theirs.relative_to(tmp_path).as_posix() in ours
    # Without a manifest, photos that are what copies would be count as the user's.
    assert {path for path in set(before) - ours if not path.startswith("images/")} == set()


def test_a_text_model_beside_ours_would_be_another_model(scene, tmp_path):
    theirs = tmp_path / "sparse" / "0" / "images.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    for path in (tmp_path, tmp_path / "sparse", theirs.parent):
        with pytest.raises(OutputError, match=r"sparse/0/images\.txt"):
            export(scene, path, format="colmap")
    with pytest.raises(OutputError, match=r"sparse/0/images\.txt"):
        write_scene_folder(scene, tmp_path)
    assert files_below(tmp_path) == {"sparse/0/images.txt": b"theirs"}
    export(scene, tmp_path, format="colmap", overwrite=True)
    assert not theirs.exists()
    assert set(COLMAP) < set(files_below(tmp_path))


def test_a_scene_with_less_leaves_nothing_of_the_one_before(tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    write_scene_folder(with_masks(build_scene(photos, 4)), out)
    export(load_scene(out), out / "trajectory.tum")
    (out / "masks" / "notes.txt").write_text("mine")
    write_scene_folder(build_scene(photos, 2), out)
    again = tmp_path / "again"
    write_scene_folder(build_scene(photos, 2), again)
    assert set(files_below(out)) == set(files_below(again)) | {"masks/notes.txt"}
    assert set(read_manifest(out).files) == set(files_below(again))


def test_photos_of_somebody_else_in_images_are_spared_or_named(tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    scene = build_scene(photos, 2)
    (out / "images").mkdir(parents=True)
    Image.new("RGB", (640, 480)).save(out / "images" / "a.jpg")
    before = files_below(out)
    for write in (write_scene_folder, lambda s, o: export(s, o, format="nerfstudio")):
        with pytest.raises(OutputError, match=r"images/a\.jpg, not written by Glance3D"):
            write(scene, out)
    assert files_below(out) == before
    (out / "images" / "a.jpg").rename(out / "images" / "other.jpg")
    write_scene_folder(scene, out)
    assert files_below(out)["images/other.jpg"] == before["images/a.jpg"]
    warnings = json.loads((out / "report.json").read_text())["warnings"]
    assert any("not of this scene: other.jpg" in warning for warning in warnings)


@pytest.mark.parametrize("linked", [False, True])
def test_the_same_photos_in_images_are_used_in_place_and_stay_theirs(tmp_path, linked):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    scene = build_scene(photos, 2)
    out.mkdir()
    if linked:
        (out / "images").symlink_to(photos)
    else:
        (out / "images").mkdir()
        for path in photos.iterdir():
            (out / "images" / path.name).write_bytes(path.read_bytes())
    before = {path.name: path.stat().st_ino for path in (out / "images").iterdir()}
    for _ in range(2):
        write_scene_folder(scene, out)
        assert {path.name: path.stat().st_ino for path in (out / "images").iterdir()} == before
        assert not any(name.startswith("images/") for name in read_manifest(out).files)
    one = Path(scene.sources[0])
    write_scene_folder(build_scene(photos, 1), out)
    assert {path.name: path.stat().st_ino for path in (out / "images").iterdir()} == before
    assert one.is_file()


def test_our_copies_stay_when_they_are_all_that_is_left_or_what_is_read(tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    write_scene_folder(build_scene(photos, 4), out)
    copies = {name: data for name, data in files_below(out).items() if "images/" in name}
    for path in photos.iterdir():
        path.unlink()
    write_scene_folder(load_scene(out), out)
    assert {n: data for n, data in files_below(out).items() if "images/" in n} == copies
    # Read from there, under another name: the file that was read is a left-over, and stays.
    scene = build_scene(out / "images", 1)
    write_scene_folder(replace(scene, names=("renamed.jpg",)), out)
    assert Path(scene.sources[0]).is_file()


def test_names_as_long_as_the_file_system_allows(tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    scene = build_scene(photos, 2)
    names = ("\u7167" * 83 + ".jpg", "a" * 251 + ".png")
    for source, name in zip(scene.sources, names, strict=True):
        Path(source).rename(photos / name)
    sources = tuple(str(photos / name) for name in names)
    scene = with_masks(replace(scene, names=names, sources=sources))
    write_scene_folder(scene, out)
    written = files_below(out)
    for name, depth in zip(photo_file_names(scene), depth_file_names(scene), strict=True):
        assert written[f"images/{name}"]
        assert {f"depth/{depth}", f"masks/{name}.png"} < set(written)
    assert load_scene(out).names == names


def test_different_long_names_stay_different():
    names = tuple("b" * 250 + str(number) + ".jpg" for number in range(3))
    places = (Placement((8, 8), (8, 8), (1.0, 1.0), (0.0, 0.0)),) * 3
    shortened = photo_file_names(ImageBatch(torch.zeros(3, 3, 8, 8), names, names, places))
    assert len(set(shortened)) == 3
    assert max(map(len, shortened)) <= 240
