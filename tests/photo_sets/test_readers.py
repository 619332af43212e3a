"""Every format gives the cameras and the depth that it was written from."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pycolmap
import pytest
import torch
from PIL import Image

from glance3d.errors import CamerasError, Glance3DError, ImageError, InputError
from glance3d.geometry.cameras import project_points
from glance3d.photo_sets import load_photo_set
from glance3d.photo_sets.checking import check_photo_set
from tests.photo_sets.drawn import (
    drawn_room,
    write_cameras_json,
    write_colmap,
    write_images,
    write_scannet,
    write_transforms,
    write_tum,
)

ROOM = drawn_room()


@pytest.mark.parametrize(
    ("write", "kind", "views", "metric"),
    [
        (write_cameras_json, "cameras.json", [0, 1, 2, 3, 4, 5], True),
        (write_transforms, "transforms.json", [0, 1, 2, 3, 4, 5], False),
        (write_scannet, "scannet", [0, 1, 3, 4, 5], True),
        (write_tum, "tum-rgbd", [0, 1, 2, 3, 4, 5], True),
    ],
)
def test_depth_sets_come_back(write, kind, views, metric, tmp_path: Path) -> None:
    photos = load_photo_set(write(ROOM, tmp_path / "room_freiburg3"))
    assert (photos.kind, photos.metric, len(photos)) == (kind, metric, len(views))
    torch.testing.assert_close(
        photos.cameras.cam_from_world.double(), ROOM.cam_from_world[views], atol=1e-5, rtol=0
    )
    assert photos.cameras.image_sizes.tolist() == [list(ROOM.size)] * len(views)
    if kind not in ("tum-rgbd", "scannet"):  # whose camera is the benchmark's, or one for all
        torch.testing.assert_close(
            photos.cameras.intrinsics.double(), ROOM.intrinsics, atol=1e-3, rtol=0
        )
    for place, view in enumerate(views):
        known = ROOM.depth[view] < 60
        off = (photos.load_depth(place) - ROOM.depth[view]).abs()
        assert float(off[known & (ROOM.depth[view] < 13)].max()) < 1e-3


def _renamed(folder: Path, kind: str, name: Callable[[int], str]) -> None:
    for view in range(6):
        (folder / kind / f"{view:03d}.png").rename(folder / kind / name(view))


def _edit(folder: Path, change: Callable[[dict], object]) -> Path:
    file = folder / "transforms.json"
    record = json.loads(file.read_text())
    change(record)
    file.write_text(json.dumps(record))
    return folder


def test_depth_is_found_where_the_photo_is(tmp_path: Path) -> None:
    """Photos are found by names that are only alike: their depth is not lost for that."""
    other_case = write_transforms(ROOM, tmp_path / "case")
    _renamed(other_case, "images", lambda view: f"{view:03d}.PNG")
    composed = write_transforms(ROOM, tmp_path / "composed")
    for kind in ("images", "depth"):
        _renamed(composed, kind, lambda view: f"Ku\u0308che {view}.png")

    def name_composed(record: dict) -> None:
        for view, frame in enumerate(record["frames"]):
            frame["file_path"] = f"images/K\u00fcche {view}.png"
            frame["depth_file_path"] = f"depth/K\u00fcche {view}.png"

    _edit(composed, name_composed)
    elsewhere = write_transforms(ROOM, tmp_path / "elsewhere")

    def name_another_machine(record: dict) -> None:
        for frame in record["frames"]:
            frame["file_path"] = f"/home/me/{frame['file_path']}"
            frame["depth_file_path"] = f"C:\\scans\\{frame['depth_file_path']}"

    _edit(elsewhere, name_another_machine)
    for folder in (other_case, composed, elsewhere):
        photos = load_photo_set(folder)
        assert len(photos) == 6
        assert None not in photos.depth_paths


@pytest.mark.parametrize("name", ["", ".", "/", "a\0b.png", "images", "x" * 3000])
def test_a_frame_whose_name_no_photo_has_is_left_out(name: str, tmp_path: Path) -> None:
    folder = write_transforms(ROOM, tmp_path / "room")
    photos = load_photo_set(
        _edit(folder, lambda record: record["frames"][2].update(file_path=name))
    )
    assert len(photos) == 5
    assert None not in photos.depth_paths


def test_why_no_photo_has_a_whole_camera_is_said(tmp_path: Path) -> None:
    folder = write_transforms(ROOM, tmp_path / "room")
    _edit(folder, lambda record: record.update(camera_model="OPENCV_FISHEYE"))
    with pytest.raises(CamerasError, match=r"pose and intrinsics: .*undistort the photos"):
        load_photo_set(folder)


@pytest.mark.parametrize(
    ("write", "folder"),
    [(write_cameras_json, "images"), (write_scannet, "color"), (write_tum, "rgb")],
)
def test_photos_of_another_size_than_their_camera_are_refused(write, folder, tmp_path) -> None:
    photo = write(ROOM, tmp_path / "room") / folder / "003.png"
    Image.open(photo).resize((64, 48)).save(photo)
    with pytest.raises(ImageError, match=r"003\.png must be 128 x 96 .*, got 64 x 48"):
        load_photo_set(tmp_path / "room")
    photo.write_text("no photo")
    with pytest.raises(ImageError, match=r"room.*003\.png cannot be read: "):
        load_photo_set(tmp_path / "room")


def test_depth_of_another_shape_than_its_photo_is_refused(tmp_path: Path) -> None:
    folder = write_cameras_json(ROOM, tmp_path / "room")
    depth = folder / "depth" / "002.png"
    photos = load_photo_set(folder)
    upright = Image.open(depth).copy()
    for other in (
        upright.transpose(Image.Transpose.ROTATE_90),
        upright.crop((0, 12, 128, 84)),
    ):
        other.save(depth)
        with pytest.raises(
            ImageError, match=r"002\.png must have the shape of its photo, 128 x 96"
        ):
            photos.load_depth(2)
    for size in ((64, 48), (9, 7), (1296, 968)):
        upright.resize(size, Image.Resampling.NEAREST).save(depth)
        assert photos.load_depth(2).shape == size[::-1]


def test_what_has_no_pose_is_said(tmp_path: Path) -> None:
    assert any(
        "002" in text for text in load_photo_set(write_scannet(ROOM, tmp_path / "s")).warnings
    )
    tum = load_photo_set(write_tum(ROOM, tmp_path / "sequence"))
    assert any("1 of 7 pictures have no pose" in text for text in tum.warnings)
    assert any("does not say which camera" in text for text in tum.warnings)
    assert float(tum.cameras.intrinsics[0, 0, 0]) == 525
    assert tum.cameras.intrinsics[0, :2, 2].tolist() == [320, 240]


def test_a_model_of_colmap_has_its_points_where_they_are_seen(tmp_path: Path) -> None:
    folder = write_colmap(ROOM, tmp_path / "project")
    model = folder / "sparse" / "0"
    as_text = load_photo_set(folder)
    pycolmap.Reconstruction(model).write_binary(model)
    for name in ("cameras", "images", "points3D"):
        (model / f"{name}.txt").unlink()
    for photos in (as_text, load_photo_set(folder)):
        sparse = photos.sparse
        assert sparse is not None
        assert sparse.num_observations == len(sparse) > 300
        views = sparse.view_indices
        assert views.tolist() == sorted(views.tolist())
        pixels, _ = project_points(
            sparse.points_world[sparse.point_indices][:, None],
            photos.cameras.cam_from_world[views],
            photos.cameras.intrinsics[views],
        )
        torch.testing.assert_close(pixels[:, 0], sparse.pixels_original, atol=1e-3, rtol=0)
        assert sparse.colors.unique().tolist() == [9]
        assert photos.warnings == ()


def test_points_are_where_smaller_photos_see_them(tmp_path: Path) -> None:
    """Trainers of 3-D Gaussians keep photos at a half beside the model of the whole ones."""
    folder = write_colmap(ROOM, tmp_path / "project")
    whole = load_photo_set(folder).sparse
    for photo in (folder / "images").iterdir():
        Image.open(photo).resize((64, 48)).save(photo)
    photos = load_photo_set(folder)
    assert whole is not None
    assert photos.sparse is not None
    torch.testing.assert_close(photos.sparse.pixels_original * 2, whole.pixels_original)
    assert check_photo_set(photos).closes


def test_damaged_points_are_not_called_missing(tmp_path: Path) -> None:
    folder = write_colmap(ROOM, tmp_path / "project")
    (folder / "sparse" / "0" / "points3D.txt").write_text("1 2")
    (warning,) = load_photo_set(folder).warnings
    assert "points of the model are not used" in warning
    assert "points3D.txt" in warning


def test_times_of_a_sequence_are_numbers_and_are_said(tmp_path: Path) -> None:
    folder = write_tum(ROOM, tmp_path / "sequence")
    colors = (folder / "rgb.txt").read_text()
    for time in ("nan", "inf", "1e999"):
        (folder / "rgb.txt").write_text(f"{time} rgb/001.png\n{colors}")
        with pytest.raises(ImageError, match=r"line 1 of .* must be: timestamp file"):
            load_photo_set(folder)
    (folder / "rgb.txt").write_text("1010.5 rgb/001.png\n1020.5 rgb/002.png\n")
    with pytest.raises(ImageError, match=r"times 1010\.500 to 1020\.500.*times 0\.005 to 5\.005"):
        load_photo_set(folder)
    (folder / "depth.txt").unlink()
    with pytest.raises(ImageError, match=r"it has rgb\.txt and groundtruth\.txt, not depth\.txt"):
        load_photo_set(folder)


def test_photos_may_lie_elsewhere(tmp_path: Path) -> None:
    folder = write_colmap(ROOM, tmp_path / "project")
    (folder / "images").rename(tmp_path / "photos")
    with pytest.raises(ImageError, match="name their folder"):
        load_photo_set(folder)
    assert len(load_photo_set(folder, photos=tmp_path / "photos")) == 6
    with pytest.raises(InputError, match="leave out photos"):
        load_photo_set(write_tum(ROOM, tmp_path / "tum"), photos=tmp_path / "photos")


def test_names_do_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    write_images(ROOM, tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "000.png").rename(secret)
    folder = write_transforms(ROOM, tmp_path / "room")
    file = folder / "transforms.json"
    file.write_text(file.read_text().replace("depth/000.png", "../secret.png"))
    with pytest.raises(ImageError, match=r"names depth '\.\./secret\.png'"):
        load_photo_set(folder)
    tum = write_tum(ROOM, tmp_path / "tum")
    (tum / "rgb.txt").write_text("0.01 ../secret.png\n")
    with pytest.raises(ImageError, match=r"line 1 .* is not in"):
        load_photo_set(tum)


@pytest.mark.parametrize(
    ("write", "file", "text"),
    [
        (write_tum, "rgb.txt", "soon rgb/000.png"),
        (write_tum, "groundtruth.txt", "1 2 3"),
        (write_scannet, "intrinsic/intrinsic_color.txt", "1 0\n0 1"),
        (write_scannet, "pose/000.txt", "a b c d"),
        (write_colmap, "sparse/0/images.txt", "1 2"),
        (write_transforms, "transforms.json", "{"),
    ],
)
def test_damaged_files_are_one_sentence(write, file, text, tmp_path: Path) -> None:
    folder = write(ROOM, tmp_path / "room")
    (folder / file).write_text(text)
    with pytest.raises(Glance3DError, match=Path(file).stem.replace("_", ".")):
        load_photo_set(folder)


def test_depth_may_be_numbers_of_numpy_or_exr(tmp_path: Path) -> None:
    OpenEXR = pytest.importorskip("OpenEXR")
    folder = write_transforms(ROOM, tmp_path / "room")
    np.save(folder / "depth" / "000.npy", ROOM.depth[0].numpy())
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"Z": ROOM.depth[1].numpy()}).write(str(folder / "depth" / "001.exr"))
    file = folder / "transforms.json"
    text = file.read_text().replace('000.png", "transform', '000.npy", "transform')
    text = text.replace("depth/001.png", "depth/001.exr")
    file.write_text(text.replace('{"frames"', '{"depth_unit_scale_factor": 1.0, "frames"'))
    photos = load_photo_set(folder)
    for view in range(2):
        assert torch.equal(photos.load_depth(view), ROOM.depth[view])
