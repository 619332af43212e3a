"""``transforms.json`` as nerfstudio reads it; what every file says of the world and its units."""

import json
from dataclasses import replace

import numpy as np
import plyfile
import pytest
import torch
import trimesh

from glance3d.exporters import export, write_scene_folder
from tests.exporters.analytic import build_scene, with_measured_points, without_points

INTRINSICS = ("w", "h", "fl_x", "fl_y", "cx", "cy")


def transforms(scene, folder):
    export(scene, folder, format="nerfstudio")
    return json.loads((folder / "transforms.json").read_text())


def with_equal_cameras(scene, radial=None):
    first, num_views = scene.placements[0], scene.num_views
    cameras = replace(
        scene.cameras,
        intrinsics=scene.cameras.intrinsics[:1].expand(num_views, 3, 3).clone(),
        image_sizes=scene.cameras.image_sizes[:1].expand(num_views, 2).clone(),
        radial=radial,
    )
    return replace(without_points(scene), placements=(first,) * num_views, cameras=cameras)


def test_intrinsics_that_differ_stand_in_every_frame_alone(scene, tmp_path):
    content = transforms(scene, tmp_path)
    assert not set(INTRINSICS) & set(content)  # at the top they would count for every frame
    for view, frame in enumerate(content["frames"]):
        assert frame["fl_x"] == scene.cameras.intrinsics[view, 0, 0].double().item()
    assert content["camera_model"] == "PINHOLE"


@pytest.mark.parametrize("radial", [None, -0.1])
def test_intrinsics_that_agree_stand_at_the_top_alone(scene, tmp_path, radial):
    bent = None if radial is None else torch.full((4,), radial)
    content = transforms(with_equal_cameras(scene, bent), tmp_path)
    assert [content[key] for key in INTRINSICS] == [320, 240, 300, 310, 161, 118]
    assert not any(set(INTRINSICS) & set(frame) for frame in content["frames"])
    assert ("k1" in content) == (radial is not None)
    if radial is not None:
        assert content["k1"] == pytest.approx(radial)
        assert (content["k2"], content["p1"], content["p2"]) == (0, 0, 0)
        assert content["camera_model"] == "OPENCV"


def test_distortion_that_differs_stands_in_every_frame(scene, tmp_path):
    radial = torch.tensor([-0.1, 0.0, 0.0, 0.0])
    content = transforms(with_equal_cameras(scene, radial), tmp_path)
    assert "k1" not in content
    assert [frame["k1"] for frame in content["frames"]] == pytest.approx(radial.tolist())


def test_gaussians_start_from_the_measured_points(scene, tmp_path):
    scene = with_measured_points(scene)
    write_scene_folder(scene, tmp_path)
    content = json.loads((tmp_path / "transforms.json").read_text())
    assert content["ply_file_path"] == "sparse_points.ply"
    vertex = plyfile.PlyData.read(tmp_path / "sparse_points.ply")["vertex"]
    points = np.stack([vertex[axis] for axis in "xyz"], -1)
    np.testing.assert_allclose(points, scene.sparse.points_world, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(vertex["red"], scene.sparse.colors[:, 0])
    report = json.loads((tmp_path / "report.json").read_text())
    assert "sparse_points.ply" in report["export"]["files"]


def test_a_handful_of_measured_points_is_no_start(scene, tmp_path):
    write_scene_folder(with_measured_points(scene, num_points=20), tmp_path)
    content = json.loads((tmp_path / "transforms.json").read_text())
    assert content["ply_file_path"] == "points.ply"


def texts(folder):
    """What the files say of the world and of units."""
    cameras = json.loads((folder / "cameras.json").read_text())
    report = json.loads((folder / "report.json").read_text())
    nerfstudio = json.loads((folder / "transforms.json").read_text())
    header = (folder / "points.ply").read_bytes()[:400].decode("ascii", "replace")
    return cameras, report, nerfstudio, header


def test_a_guess_says_so(scene, tmp_path):
    write_scene_folder(scene, tmp_path)
    cameras, report, nerfstudio, header = texts(tmp_path)
    assert cameras["units"] == report["units"] == nerfstudio["units"] == "arbitrary"
    assert cameras["metric"] is False
    assert cameras["world"] == {
        "name": "reference camera",
        "is": "the frame of images/a.jpg",
        "axes": "x right, y down, z forward",
    }
    assert "comment world: the frame of a.jpg, x right, y down, z forward\n" in header
    assert "comment units: arbitrary\n" in header


def test_a_measured_world_is_honoured_everywhere(scene, tmp_path):
    world = "east-north-up at latitude 51.5, longitude 0.1"
    write_scene_folder(replace(scene, units="metre", world=world), tmp_path)
    cameras, report, nerfstudio, header = texts(tmp_path)
    assert cameras["units"] == report["units"] == nerfstudio["units"] == "metre"
    assert cameras["metric"] is True
    assert cameras["world"]["name"] == report["world"] == world
    assert cameras["world"]["axes"] == "x east, y north, z up"
    assert world in nerfstudio["world"]
    assert f"comment world: the frame of {world}, x east, y north, z up\n" in header
    assert "comment units: metre\n" in header


@pytest.mark.parametrize(
    ("world", "turn"),
    [
        ("east-north-up", (0, 2, 1)),
        ("the COLMAP model 0", (0, 2, 1)),
        ("the COLMAP model 0", (1, 0, 2)),
        ("the COLMAP model 0", (2, 1, 0)),
    ],
)
def test_any_world_stands_upright_in_the_glb(scene, tmp_path, world, turn):
    permuted = torch.eye(3)[list(turn)]
    permuted[turn.index(1)] *= -1  # a camera's down is the world's up
    assert permuted.det() == 1
    points = scene.points_world @ permuted.T
    poses = scene.cameras.cam_from_world.clone()
    poses[:, :, :3] = poses[:, :, :3] @ permuted.T
    cameras = replace(scene.cameras, cam_from_world=poses)
    turned = replace(scene, points_world=points, points_from="points", depth=None, cameras=cameras)
    turned = replace(turned, world=world)
    heights = []
    for name, made in (("a", scene), ("b", turned)):
        glb = trimesh.load(export(made, tmp_path / f"{name}.glb")[0])
        heights.append(glb.bounds[:, 1])
    np.testing.assert_allclose(*heights, atol=1e-3)


def test_a_bent_scene_gives_every_file(tmp_path):
    scene = build_scene(tmp_path, bent=True)
    scene = replace(scene, cameras=replace(scene.cameras, radial=scene.cameras.radial * 4))
    write_scene_folder(scene, tmp_path / "out")  # so strong that no ray reaches some corners
    content = json.loads((tmp_path / "out" / "cameras.json").read_text())
    assert [view["radial"] for view in content["views"]] == scene.cameras.radial.tolist()
    assert trimesh.load(tmp_path / "out" / "scene.glb").bounds is not None
