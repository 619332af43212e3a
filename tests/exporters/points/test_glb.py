"""The GLB is valid glTF and stands upright."""

import json
import struct

import numpy as np
import pytest
import torch
import trimesh

from glance3d.exporters import export
from glance3d.exporters.points.glb import linear_from_srgb
from tests.exporters.analytic import build_scene, without_points

_SIZES = {"SCALAR": 1, "VEC3": 3}
_TYPES = {5126: "<f4", 5125: "<u4"}


def parse(path):
    """Header, chunks and accessors, by the letter of the standard."""
    content = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", content)
    assert (magic, version, length) == (b"glTF", 2, len(content))
    json_length, json_type = struct.unpack_from("<I4s", content, 12)
    assert json_type == b"JSON"
    assert json_length % 4 == 0
    document = json.loads(content[20 : 20 + json_length])
    bin_length, bin_type = struct.unpack_from("<I4s", content, 20 + json_length)
    assert bin_type == b"BIN\0"
    assert bin_length % 4 == 0
    binary = content[28 + json_length :]
    assert len(binary) == bin_length == document["buffers"][0]["byteLength"]
    return document, [read_accessor(document, binary, a) for a in document["accessors"]]


def read_accessor(document, binary, accessor):
    view = document["bufferViews"][accessor["bufferView"]]
    assert view["byteOffset"] % 4 == 0
    assert view["byteOffset"] + view["byteLength"] <= len(binary)
    width = _SIZES[accessor["type"]]
    values = np.frombuffer(
        binary, _TYPES[accessor["componentType"]], accessor["count"] * width, view["byteOffset"]
    ).reshape(-1, width)
    assert values.nbytes == view["byteLength"]
    if "min" in accessor:
        np.testing.assert_array_equal(values.min(0), np.float32(accessor["min"]))
        np.testing.assert_array_equal(values.max(0), np.float32(accessor["max"]))
    return values


def test_the_structure_follows_the_standard(scene, tmp_path):
    document, accessors = parse(export(scene, tmp_path / "s.glb")[0])
    assert document["asset"]["version"] == "2.0"
    points, lines = (mesh["primitives"][0] for mesh in document["meshes"])
    assert (points["mode"], lines["mode"]) == (0, 1)
    for primitive in (points, lines):
        attributes = primitive["attributes"]
        assert "min" in document["accessors"][attributes["POSITION"]]
        assert len(accessors[attributes["POSITION"]]) == len(accessors[attributes["COLOR_0"]])
        assert accessors[attributes["COLOR_0"]].min() >= 0
        assert accessors[attributes["COLOR_0"]].max() <= 1
    indices = accessors[lines["indices"]]
    assert len(indices) % 2 == 0
    assert indices.max() < len(accessors[lines["attributes"]["POSITION"]])
    (root,) = document["scenes"][document["scene"]]["nodes"]
    assert sorted(document["nodes"][root]["children"]) == list(range(root))


def test_every_view_is_a_gltf_camera_looking_where_it_looked(scene, tmp_path):
    document, _ = parse(export(scene, tmp_path / "s.glb")[0])
    nodes = [node for node in document["nodes"] if "camera" in node]
    assert [node["name"] for node in nodes] == ["a.jpg", "b.png", "C.JPG", "d.jpg"]
    upright = np.diag([1.0, -1, -1, 1])
    for view, node in enumerate(nodes):
        world = upright @ np.array(node["matrix"]).reshape(4, 4).T
        rotation = scene.cameras.cam_from_world[view, :, :3].double().numpy()
        np.testing.assert_allclose(-world[:3, 2], upright[:3, :3] @ rotation[2], atol=1e-6)
        np.testing.assert_allclose(world[:3, 1], upright[:3, :3] @ -rotation[1], atol=1e-6)
        np.testing.assert_allclose(
            world[:3, 3], upright[:3, :3] @ scene.cameras.centers[view].numpy(), atol=1e-5
        )
        lens = document["cameras"][node["camera"]]["perspective"]
        width, height = scene.placements[view].original_size
        focal = scene.cameras.intrinsics[view].diagonal()[:2].double()
        half_height = np.tan(lens["yfov"] / 2)
        assert half_height * focal[1] == pytest.approx(height / 2)
        assert half_height * lens["aspectRatio"] * focal[0] == pytest.approx(width / 2)


def test_the_scene_stands_upright(scene, tmp_path):
    glb = trimesh.load(export(scene, tmp_path / "s.glb")[0])
    node = next(name for name in glb.graph.nodes_geometry if "points" in name)
    transform, geometry = glb.graph[node]
    points = trimesh.transform_points(glb.geometry[geometry].vertices, transform)
    world = glb.geometry[geometry].vertices
    np.testing.assert_allclose(points[:, 1], -world[:, 1])  # up is +y
    assert (points[:, 2] < 0).all()  # the reference camera looks along -z


def test_the_frusta_start_at_the_cameras(scene, tmp_path):
    glb = trimesh.load(export(scene, tmp_path / "s.glb")[0])
    (frusta,) = (g for g in glb.geometry.values() if isinstance(g, trimesh.path.Path3D))
    for center in scene.cameras.centers.numpy():
        assert np.linalg.norm(frusta.vertices - center, axis=1).min() < 1e-5


@pytest.mark.parametrize("num_views", [1, 2])
def test_few_views_and_cameras_alone(num_views, tmp_path):
    scene = build_scene(tmp_path, num_views)
    for number, kind in enumerate((scene, without_points(scene))):
        document, _ = parse(export(kind, tmp_path / f"{number}.glb")[0])
        assert len(document["cameras"]) == num_views
        assert len(document["meshes"]) == 2 - number


def test_the_budget_is_kept(scene, tmp_path):
    document, _ = parse(export(scene, tmp_path / "s.glb", max_points=77)[0])
    assert document["accessors"][0]["count"] == 77


def test_colours_become_linear_light():
    colors = torch.tensor([[0, 10, 128], [188, 254, 255]], dtype=torch.uint8)
    expected = [[0.0, 0.003035, 0.215861], [0.502886, 0.991102, 1.0]]
    torch.testing.assert_close(linear_from_srgb(colors), torch.tensor(expected), atol=2e-6, rtol=0)
