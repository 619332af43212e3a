"""The key promise: exported points, through exported cameras, land on their pixels."""

import json

import numpy as np
import plyfile
import pycolmap
import pytest
import torch
import trimesh

from glance3d.exporters import write_scene_folder
from glance3d.exporters.points.point_cloud import select_points
from tests.exporters.analytic import build_scene, upright_pixels


@pytest.fixture(scope="module", params=["pinholes", "bending lenses"])
def scene(request, tmp_path_factory):
    photos = tmp_path_factory.mktemp("photos")
    return build_scene(photos, bent=request.param == "bending lenses")


@pytest.fixture(scope="module")
def folder(scene, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    write_scene_folder(scene, out)
    return out


def read_cameras(path):
    views = json.loads(path.read_text())["views"]
    return [
        (
            view["image"],
            np.array(view["intrinsics"]),
            np.array(view["cam_from_world"]),
            view["size"],
            view.get("radial", 0.0),
        )
        for view in views
    ]


def read_ply(folder):
    vertex = plyfile.PlyData.read(folder / "points.ply")["vertex"]
    return (
        np.stack([vertex[c] for c in "xyz"], -1).astype(float),
        np.stack([vertex[c] for c in ("red", "green", "blue")], -1),
    )


def read_glb(folder):
    glb = trimesh.load(folder / "scene.glb")
    (cloud,) = (g for g in glb.geometry.values() if isinstance(g, trimesh.PointCloud))
    linear = cloud.colors[:, :3] / 255
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return cloud.vertices, srgb * 255


def project(points, intrinsics, pose, radial):
    in_camera = points @ pose[:, :3].T + pose[:, 3]
    x, y = in_camera[:, 0] / in_camera[:, 2], in_camera[:, 1] / in_camera[:, 2]
    bend = 1 + radial * (x * x + y * y)
    return (np.stack([x * bend, y * bend, np.ones_like(x)], -1) @ intrinsics.T)[:, :2]


@pytest.mark.parametrize(("read", "max_color_error"), [(read_ply, 4), (read_glb, 6)])
def test_cloud_points_land_on_their_own_pixels(scene, folder, read, max_color_error):
    points, colors = read(folder)
    cloud = select_points(scene, 25.0, 1_000_000)  # says which pixel each point came from
    assert len(points) == len(cloud)
    for view, (image, intrinsics, pose, size, radial) in enumerate(
        read_cameras(folder / "cameras.json")
    ):
        own = (cloud.view_indices == view).numpy()
        pixels = project(points[own], intrinsics, pose, radial)
        assert np.abs(pixels - cloud.pixels_original[own].numpy()).max() < 0.01
        photo = upright_pixels(folder / image)
        assert photo.shape[:2] == (size[1], size[0])
        x, y = np.floor(pixels).astype(int).T
        difference = np.abs(photo[y, x].astype(float) - colors[own]).max(-1)
        # All but the pixels on the sphere's edge, which the photo blends.
        assert np.quantile(difference, 0.95) <= max_color_error


def test_colmap_observations_land_on_the_photos(scene, folder):
    model = pycolmap.Reconstruction(folder / "sparse" / "0")
    assert model.num_points3D() > 0.5 * len(select_points(scene, 25.0, 100_000))
    for image in model.images.values():
        camera = model.cameras[image.camera_id]
        seen = [p for p in image.points2D if p.has_point3D()]
        assert len(seen) == image.num_points3D > 1000
        points = np.stack([model.points3D[p.point3D_id].xyz for p in seen])
        colors = np.stack([model.points3D[p.point3D_id].color for p in seen])
        observed = np.stack([p.xy for p in seen])
        cam_points = points @ image.cam_from_world().matrix()[:, :3].T
        cam_points += image.cam_from_world().matrix()[:, 3]
        assert np.abs(camera.img_from_cam(cam_points) - observed).max() < 0.01
        photo = upright_pixels(folder / "images" / image.name)
        assert photo.shape[:2] == (camera.height, camera.width)
        x, y = np.floor(observed).astype(int).T
        difference = np.abs(photo[y, x].astype(float) - colors).max(-1)
        assert np.quantile(difference, 0.95) <= 4


def test_nerfstudio_cameras_agree_with_the_ply(scene, folder):
    content = json.loads((folder / "transforms.json").read_text())
    assert "applied_transform" not in content
    points, _ = read_ply(folder)
    cloud = select_points(scene, 25.0, 1_000_000)
    for view, frame in enumerate(content["frames"]):
        own = (cloud.view_indices == view).numpy()
        camera_to_world = np.array(frame["transform_matrix"])
        opengl = (points[own] - camera_to_world[:3, 3]) @ camera_to_world[:3, :3]
        assert (opengl[:, 2] < 0).all()  # the camera looks along -z
        u, v = opengl[:, 0] / -opengl[:, 2], -opengl[:, 1] / -opengl[:, 2]
        bend = 1 + frame.get("k1", 0.0) * (u * u + v * v)
        x, y = frame["fl_x"] * u * bend + frame["cx"], frame["fl_y"] * v * bend + frame["cy"]
        expected = cloud.pixels_original[own].numpy()
        assert np.abs(np.stack([x, y], -1) - expected).max() < 0.01
        assert (folder / frame["file_path"]).is_file()


def test_no_padding_pixel_becomes_a_point(scene):
    cloud = select_points(scene, 0.0, 10**9)
    assert len(cloud) == int(scene.mask.sum())
    sizes = torch.tensor([placement.original_size for placement in scene.placements])
    inside = (cloud.pixels_original > 0) & (cloud.pixels_original < sizes[cloud.view_indices])
    assert inside.all()
