import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from glance3d.errors import ImageError, InputError
from glance3d.geometry.cameras import project_points, unproject_depth
from glance3d.photo_sets import load_photo_set

SHARED = Path(__file__).parents[3] / "shared" / "data"


def _record() -> dict:
    view = {
        "size": [24, 16],
        "intrinsics": [[10.0, 0, 6], [0, 10, 4], [0, 0, 1]],
        "cam_from_world": [[1.0, 0, 0, 0.5], [0, 1, 0, 0], [0, 0, 1, 2]],
    }
    return {
        "name": "small",
        "units": "metre",
        "metric": True,
        "depth_scale": 0.001,
        "views": [
            {"image": "images/000.jpg", "depth": "depth/000.png", **view},
            {"image": "images/001.jpg", **view},
        ],
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "depth").mkdir()
    for number in range(2):
        Image.new("RGB", (24, 16)).save(tmp_path / f"images/{number:03}.jpg")
    millimetres = np.arange(96, dtype=np.uint16).reshape(8, 12) * 600
    Image.fromarray(millimetres).save(tmp_path / "depth/000.png")
    (tmp_path / "cameras.json").write_text(json.dumps(_record()))
    return tmp_path


def test_reads_what_was_written(folder: Path) -> None:
    photos = load_photo_set(folder)
    assert (photos.name, photos.units, photos.metric, len(photos)) == ("small", "metre", True, 2)
    assert photos.image_paths == (folder / "images/000.jpg", folder / "images/001.jpg")
    assert photos.cameras.image_sizes.tolist() == [[24, 16], [24, 16]]
    assert photos.cameras.centers[0].tolist() == [-0.5, 0, -2]
    assert photos.has_depth
    depth = photos.load_depth(0)
    assert depth.shape == (8, 12)
    assert depth[0, 0] == 0
    assert depth[7, 11].item() == pytest.approx(95 * 0.6)
    with pytest.raises(InputError, match="photo 1 of small has no depth"):
        photos.load_depth(1)


def test_a_folder_without_cameras_says_so(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"has no cameras\.json, nor other cameras"):
        load_photo_set(tmp_path)
    with pytest.raises(ImageError, match="is no folder"):
        load_photo_set(tmp_path / "absent")


def _drop(key: str):
    return lambda record: record["views"][1].pop(key)


def _put(key: str, value):
    return lambda record: record["views"][1].update({key: value})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda record: record.update(views=[]), "must list views"),
        (lambda record: record.update(views=["000.jpg"]), "view 0 .* must be an object, got a str"),
        (lambda record: record.update(depth_scale=None), "gives no depth_scale"),
        (_drop("intrinsics"), "view 1 .* has no 'intrinsics'"),
        (_drop("cam_from_world"), "view 1 .* has no 'cam_from_world'"),
        (_put("image", "images/9.jpg"), "'images/9.jpg', which is not in"),
        (_put("size", [12]), r"size of .* must be \[width, height\] in pixels, got \[12\]"),
        (_put("intrinsics", [[1, 0], [0, 1]]), r"must have shape \(3, 3\), got \(2, 2\)"),
        (_put("intrinsics", "none"), "must be 3 rows of 3 numbers, got 'none'"),
        (_put("intrinsics", [[-1, 0, 6], [0, 10, 4], [0, 0, 1]]), "must be above 0"),
        (_put("cam_from_world", [[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]), "a rotation"),
        (_put("cam_from_world", [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, 0]]), "a rotation"),
        (_put("cam_from_world", [[float("nan")] * 4] * 3), "must be a finite number"),
    ],
)
def test_broken_cameras_say_what_is_wrong(folder: Path, spoil, message: str) -> None:
    record = _record()
    spoil(record)
    (folder / "cameras.json").write_text(json.dumps(record))
    with pytest.raises(ImageError, match=message):
        load_photo_set(folder)


def test_broken_json_and_depth_say_so(folder: Path) -> None:
    (folder / "depth/000.png").write_bytes(b"no picture")
    photos = load_photo_set(folder)
    with pytest.raises(ImageError, match="cannot be read"):
        photos.load_depth(0)
    (folder / "cameras.json").write_text("{")
    with pytest.raises(ImageError, match="cannot be read as JSON"):
        load_photo_set(folder)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("fox", 25),
        ("hololens_office", 21),
        ("lund_door", 12),
        ("middlebury_motorcycle", 2),
        ("middlebury_templeSparseRing", 16),
    ],
)
def test_real_sets_load(name: str, count: int) -> None:
    if not (SHARED / name).is_dir():
        pytest.skip(f"the photo set {name} is not in {SHARED}")
    photos = load_photo_set(SHARED / name)
    assert len(photos) == count
    for path, size in zip(photos.image_paths, photos.cameras.image_sizes.tolist(), strict=True):
        with Image.open(path) as image:
            assert list(image.size) == size


@pytest.mark.shared
def test_real_depth_and_cameras_agree() -> None:
    """The stereo pair's depth, carried to the other photo, meets the same depth."""
    if not (SHARED / "middlebury_motorcycle").is_dir():
        pytest.skip(f"the photo set middlebury_motorcycle is not in {SHARED}")
    photos = load_photo_set(SHARED / "middlebury_motorcycle")
    views = [view for view in range(2) if photos.depth_paths[view] is not None]
    assert views
    depth = photos.load_depth(views[0])
    camera, lens = photos.cameras.cam_from_world, photos.cameras.intrinsics
    points = unproject_depth(depth, camera[views[0]], lens[views[0]])[depth > 0]
    pixels, moved = project_points(points, camera[1 - views[0]], lens[1 - views[0]])
    known = depth[depth > 0]
    torch.testing.assert_close(moved, known, rtol=0.05, atol=0)
    # A rectified pair: rows stay, and the parallax is focal length times baseline over depth.
    rows = torch.arange(len(depth))[:, None].expand_as(depth)[depth > 0] + 0.5
    torch.testing.assert_close(pixels[:, 1], rows, atol=0.1, rtol=0)
