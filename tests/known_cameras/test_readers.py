"""Every kind of file says the same cameras: ours, COLMAP's, nerfstudio's, TUM's."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
import pytest
import torch

from glance3d.errors import CamerasError, InputError
from glance3d.exporters import export
from glance3d.geometry.cameras import camera_centers, project_points
from glance3d.geometry.rotations import quat_xyzw_from_rotation
from glance3d.geometry.transforms import invert
from glance3d.known_cameras import (
    CAMERA_FORMATS,
    load_known_cameras,
    match_known_cameras,
    match_views,
)
from glance3d.photo_sets import load_photo_set
from tests.exporters.analytic import build_scene

SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return build_scene(tmp_path_factory.mktemp("photos"))


def assert_knows(views, scene, poses=True, intrinsics=True):
    assert views.names == scene.names
    if poses:
        wanted = scene.cameras.cam_from_world.double()
        torch.testing.assert_close(views.cam_from_world, wanted, rtol=0, atol=2e-6)
    if intrinsics:
        wanted = scene.cameras.intrinsics.double()
        torch.testing.assert_close(views.intrinsics, wanted, rtol=1e-6, atol=1e-4)
        radial = scene.cameras.radial
        wanted = torch.zeros(len(scene.names)) if radial is None else radial
        torch.testing.assert_close(views.radial.float(), wanted, rtol=0, atol=1e-6)
    assert views.has_pose.all() == poses
    assert views.has_intrinsics.all() == intrinsics


@pytest.mark.parametrize("radial", [None, 0.05])
@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("cameras.json", "cameras.json"),
        ("sparse", "COLMAP"),
        ("transforms.json", "transforms.json"),
    ],
)
def test_what_we_export_comes_back(scene, tmp_path, name, format, radial):
    if radial is not None:
        bent = torch.full((scene.num_views,), radial)
        scene = replace(scene, cameras=replace(scene.cameras, radial=bent))
    export(scene, tmp_path / name)
    known = load_known_cameras(tmp_path / name)
    assert known.format == format
    assert (known.units, known.warnings) == ("arbitrary", ())
    assert_knows(match_known_cameras(known, scene), scene)


def test_a_folder_of_ours_and_a_project_above_a_model(scene, tmp_path):
    export(scene, tmp_path / "project" / "sparse")
    for path in ("project", "project/sparse", "project/sparse/0", "project/sparse/0/images.bin"):
        assert load_known_cameras(tmp_path / path).format == "COLMAP"
    export(replace(scene, units="metre"), tmp_path / "project" / "cameras.json")
    known = load_known_cameras(tmp_path / "project")
    assert (known.format, known.units) == ("cameras.json", "metre")
    assert load_known_cameras(tmp_path / "project", format="colmap").format == "COLMAP"


MODELS = {
    "SIMPLE_PINHOLE": [500, 321, 239],
    "PINHOLE": [500, 510, 321, 239],
    "SIMPLE_RADIAL": [500, 321, 239, -0.08],
    "RADIAL": [500, 321, 239, -0.08, 0.01],
    "OPENCV": [500, 510, 321, 239, 0.06, -0.08, -0.001, 0.0002],
    "FULL_OPENCV": [500, 510, 321, 239, 0.06, -0.08, -0.001, 0.0002, 0.01, 0.02, 0.001, 0],
}


def colmap_model(model, params):
    """Two photos of one camera, made by pycolmap."""
    built = pycolmap.Reconstruction()
    camera = pycolmap.Camera(camera_id=3, model=model, width=640, height=480, params=params)
    built.add_camera_with_trivial_rig(camera)
    for number, name in enumerate(("left/a b.jpg", "c.png"), start=1):
        quat = np.array([0.1, 0.2, 0.3 * number, 0.9])
        rotation = pycolmap.Rotation3d(quat / np.linalg.norm(quat))
        pose = pycolmap.Rigid3d(rotation, np.array([1.0, 2.0, number]))
        image = pycolmap.Image(name=name, camera_id=3, image_id=number)
        image.points2D = pycolmap.Point2DList([pycolmap.Point2D(np.array([1.0, 2.0]))] * number)
        built.add_image_with_trivial_frame(image, pose)
    return built


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_every_pinhole_of_colmap(tmp_path, model, text):
    built = colmap_model(model, MODELS[model])
    (built.write_text if text else built.write_binary)(str(tmp_path))
    known = load_known_cameras(tmp_path)
    assert [camera.name for camera in known.cameras] == ["left/a b.jpg", "c.png"]
    theirs = built.images[1].cam_from_world().matrix()
    np.testing.assert_allclose(known.cameras[0].cam_from_world, theirs, atol=1e-12)
    rays = torch.rand(200, 3, dtype=torch.float64) - 0.5
    rays[:, 2] = 1
    seen = np.array([built.cameras[3].img_from_cam(ray) for ray in rays.numpy()])
    inside = torch.tensor((seen > 0).all(1) & (seen < [640, 480]).all(1))
    lens = known.cameras[0]
    eye = torch.eye(3, 4, dtype=torch.float64)
    ours, _ = project_points(
        rays, eye, lens.intrinsics, torch.tensor(lens.radial, dtype=torch.float64)
    )
    furthest = (ours - torch.from_numpy(seen))[inside].norm(dim=-1).max()
    if len(MODELS[model]) <= 4:
        assert furthest < 1e-9
        assert known.warnings == ()
    else:  # more coefficients than one: the nearest lens with one, its distance stated
        assert furthest < 1.0
        if known.warnings:
            assert "undistort" in known.warnings[0]
            assert float(known.warnings[0].split("by up to ")[1].split(";")[0]) > 0.8 * furthest


@pytest.mark.parametrize("text", [False, True])
def test_fisheyes_give_poses_only(tmp_path, text):
    built = colmap_model("OPENCV_FISHEYE", [500, 510, 321, 239, 0.1, 0, 0, 0])
    (built.write_text if text else built.write_binary)(str(tmp_path))
    known = load_known_cameras(tmp_path)
    assert known.cameras[0].intrinsics is None
    assert known.cameras[0].cam_from_world is not None
    assert "OPENCV_FISHEYE are no pinholes" in known.warnings[0]


def test_damaged_and_ambiguous_models_say_so(tmp_path):
    built = colmap_model("PINHOLE", MODELS["PINHOLE"])
    for number in "01":
        (tmp_path / "sparse" / number).mkdir(parents=True)
        built.write_binary(str(tmp_path / "sparse" / number))
    with pytest.raises(CamerasError, match=r"one COLMAP model, got .*sparse/0, .*sparse/1"):
        load_known_cameras(tmp_path)
    file = tmp_path / "sparse/0/images.bin"
    whole = file.read_bytes()
    for length in (0, 5, 40, len(whole) - 3):
        file.write_bytes(whole[:length])
        with pytest.raises(CamerasError, match=r"images.bin (is cut short|announces)"):
            load_known_cameras(tmp_path / "sparse/0")


def transforms(**changes):
    matrix = [[1.0, 0, 0, 1], [0, 1, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]
    frames = [{"file_path": f"./images/{n}.jpg", "transform_matrix": matrix} for n in "ab"]
    shared = {"fl_x": 300.0, "fl_y": 310.0, "cx": 161.0, "cy": 119.0, "w": 320, "h": 240.0}
    return {**shared, "frames": frames, **changes}


def read_transforms(tmp_path, record):
    (tmp_path / "transforms.json").write_text(json.dumps(record))
    return load_known_cameras(tmp_path / "transforms.json")


def test_opengl_axes_and_shared_intrinsics(tmp_path):
    views = match_views(
        read_transforms(tmp_path, transforms()), ["a.jpg", "b.jpg"], [(320, 240)] * 2
    )
    # At (1, 2, 3), y up and looking along -z: in OpenCV's axes y and z point the other way.
    wanted = torch.tensor([[1.0, 0, 0, -1], [0, -1, 0, 2], [0, 0, -1, 3]]).double()
    torch.testing.assert_close(views.cam_from_world[0], wanted)
    assert views.intrinsics[1].tolist() == [[300, 0, 161], [0, 310, 119], [0, 0, 1]]


def test_per_frame_intrinsics_win_and_distortion_is_fitted(tmp_path):
    record = transforms(k1=0.06, k2=-0.08, p1=-0.001, p2=0.0002, k3=0, k4=0)
    record["frames"][1].update(fl_x=400.0, k2=0.0, p1=0.0, p2=0.0)
    known = read_transforms(tmp_path, record)
    assert known.cameras[1].intrinsics[0, 0] == 400
    assert known.cameras[1].radial == 0.06
    assert known.cameras[0].radial != 0.06
    assert known.cameras[0].intrinsics[0, 0] == pytest.approx(300, rel=0.02)


def test_a_field_of_view_alone(tmp_path):
    record = transforms(camera_angle_x=0.7)
    for key in ("fl_x", "fl_y", "cx", "cy", "w", "h"):
        del record[key]
    record["frames"][0]["file_path"] = "./train/r_0"
    views = match_views(read_transforms(tmp_path, record), ["r_0.png", "x.png"], [(800, 600)] * 2)
    assert float(views.intrinsics[0, 0, 0]) == pytest.approx(400 / math.tan(0.35))
    assert views.intrinsics[0, :2, 2].tolist() == [400, 300]
    assert views.has_pose.tolist() == [True, False]
    assert views.describe()["unknown"] == ["x.png"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda r: r.update(frames=[]), "must list frames"),
        (lambda r: r["frames"][0].pop("file_path"), "frame 0 .* names no file_path"),
        (lambda r: r.update(fl_x="wide"), "fl_x of .* must be a finite number, got 'wide'"),
        (lambda r: r.update(fl_x=-3.0), "fl_x of .* must be a number .*, got -3"),
        (lambda r: r["frames"][1].update(transform_matrix=[[1, 2], [3, 4]]), "transform_matrix of"),
        (lambda r: r["frames"][1].update(transform_matrix=[[0.0] * 4] * 4), "a rotation"),
        (lambda r: r["frames"][1].update(transform_matrix=[[1.0] * 4] * 4), "a rotation"),
    ],
)
def test_broken_transforms_say_what_is_wrong(tmp_path, spoil, message):
    record = transforms()
    spoil(record)
    with pytest.raises(CamerasError, match=message):
        read_transforms(tmp_path, record)


def test_fisheye_transforms_give_poses_only(tmp_path):
    known = read_transforms(tmp_path, transforms(camera_model="OPENCV_FISHEYE", k1=0.1))
    assert known.cameras[0].intrinsics is None
    assert "no pinholes" in known.warnings[0]


def write_tum(path, scene, times):
    world_from_cam = invert(scene.cameras.cam_from_world.double())
    quats = quat_xyzw_from_rotation(world_from_cam[:, :, :3])
    lines = ["# timestamp tx ty tz qx qy qz qw"]
    for time, pose, quat in zip(times, world_from_cam, quats, strict=True):
        numbers = [*pose[:, 3].tolist(), *quat.tolist()]
        lines.append(f"{time:.6f} " + " ".join(f"{n:.9f}" for n in numbers))
    path.write_text("\n".join(lines) + "\n")
    return load_known_cameras(path)


def test_a_trajectory_by_order(scene, tmp_path):
    known = write_tum(tmp_path / "poses.txt", scene, [0.0, 0.5, 1.1, 1.6])
    views = match_known_cameras(known, scene)
    assert_knows(views, scene, intrinsics=False)
    assert views.matched_by.startswith("order")
    with pytest.raises(CamerasError, match=r"not clear which pose .* 4 poses for 3 photos"):
        match_views(known, scene.names[:3], [(1, 1)] * 3)


@pytest.mark.parametrize("unit", ["{:.6f}.png", "{:.0f}000000.jpg", "frame_{:.3f}.jpg"])
def test_a_trajectory_by_time(scene, tmp_path, unit):
    times = [1305031102.175304, 1305031103.2, 1305031104.4, 1305031105.9]
    known = write_tum(tmp_path / "groundtruth.txt", scene, times)
    shown = [times[2], times[0] + 0.004, times[3] + 0.3]
    if "000000" in unit:  # whole microseconds, to the millisecond
        names = [f"{round(t * 1000)}000.jpg" for t in shown]
    else:
        names = [unit.format(t) for t in shown]
    views = match_views(known, names, [(1, 1)] * 3)
    wanted = scene.cameras.cam_from_world.double()[[2, 0]]
    torch.testing.assert_close(views.cam_from_world[:2], wanted, rtol=0, atol=2e-6)
    assert views.has_pose.tolist() == [True, True, False]
    assert "time stamps" in views.matched_by


def test_small_numbers_in_names_are_no_times(scene, tmp_path):
    known = write_tum(tmp_path / "poses.txt", scene, [0.0, 1.0333, 2.0667, 3.1])
    views = match_views(known, ["000.png", "001.png", "002.png", "003.png"], [(1, 1)] * 4)
    assert views.matched_by.startswith("order")
    counted = write_tum(tmp_path / "counted.txt", scene, [0.0, 1.0, 2.0, 3.0])
    views = match_views(counted, ["003.png", "001.png"], [(1, 1)] * 2)
    wanted = scene.cameras.cam_from_world.double()[[3, 1]]
    torch.testing.assert_close(views.cam_from_world, wanted, rtol=0, atol=2e-6)


def test_a_broken_trajectory_names_the_line(tmp_path):
    (tmp_path / "a.txt").write_text("0 1 2 3 0 0 0 1\n1 1 2 3 0 0 0 0\n")
    with pytest.raises(CamerasError, match="line 2 of"):
        load_known_cameras(tmp_path / "a.txt")


def test_cameras_that_know_only_intrinsics_or_only_poses(tmp_path):
    one = {"image": "a.jpg", "size": [8, 4], "intrinsics": [[9, 0, 4], [0, 9, 2], [0, 0, 1]]}
    two = {"image": "b.jpg", "cam_from_world": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]}
    (tmp_path / "cameras.json").write_text(json.dumps({"views": [one, two]}))
    views = match_views(load_known_cameras(tmp_path), ["a.jpg", "b.jpg"], [(8, 4)] * 2)
    assert views.has_pose.tolist() == [False, True]
    assert views.has_intrinsics.tolist() == [True, False]
    assert views.describe()["num_poses"] == 1


def test_map_coordinates_are_moved_near_the_origin(scene, tmp_path):
    far = torch.tensor([500123.25, 5712345.5, 80.0]).double()
    poses = scene.cameras.cam_from_world.double()
    moved = torch.cat([poses[..., :3], poses[..., 3:] - (poses[..., :3] @ far)[..., None]], -1)
    record = {
        "views": [
            {"image": name, "cam_from_world": pose.tolist()}
            for name, pose in zip(scene.names, moved, strict=True)
        ]
    }
    (tmp_path / "cameras.json").write_text(json.dumps(record))
    known = load_known_cameras(tmp_path, units="metre")
    assert "origin moved to (50012" in known.world
    views = match_known_cameras(known, scene)
    differences = camera_centers(views.cam_from_world) - camera_centers(poses)
    assert float((differences - differences[0]).abs().max()) < 1e-6
    assert float(camera_centers(views.cam_from_world).norm(dim=-1).max()) < 10
    assert any("lose" in warning for warning in views.warnings)


def test_what_is_no_camera_file_is_refused(tmp_path):
    with pytest.raises(CamerasError, match="no file or folder"):
        load_known_cameras(tmp_path / "absent")
    with pytest.raises(
        CamerasError, match=r"holds no cameras that can be read\. Readable: Glance3D"
    ):
        load_known_cameras(tmp_path)
    (tmp_path / "a.txt").write_text("no numbers\n")
    with pytest.raises(CamerasError, match="holds no cameras"):
        load_known_cameras(tmp_path / "a.txt")
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(CamerasError, match="holds no cameras"):
        load_known_cameras(tmp_path / "a.json")
    with pytest.raises(InputError, match="unknown cameras format 'kitti'"):
        load_known_cameras(tmp_path, format="kitti")
    with pytest.raises(InputError, match="unknown unit 'inch'"):
        load_known_cameras(tmp_path, units="inch")
    assert list(CAMERA_FORMATS) == ["cameras.json", "colmap", "transforms.json", "tum"]


@pytest.mark.shared
@pytest.mark.parametrize(
    "name", ["fox", "hololens_office", "lund_door", "middlebury_templeSparseRing"]
)
def test_real_sets(name):
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"the photo set {name} is not in {SHARED}")
    photos, known = load_photo_set(folder), load_known_cameras(folder)
    names = [path.name for path in photos.image_paths]
    sizes = [tuple(size) for size in photos.cameras.image_sizes.tolist()]
    views = match_views(known, names, sizes)
    assert views.has_pose.all()
    torch.testing.assert_close(views.cam_from_world.float(), photos.cameras.cam_from_world)
    torch.testing.assert_close(views.intrinsics.float(), photos.cameras.intrinsics)
    assert (views.units == "metre") == photos.metric
    assert views.warnings == ()
