"""What each format's writer writes, its reader reads, and pycolmap reads of COLMAP's."""

from dataclasses import fields, replace

import numpy as np
import pycolmap
import pytest
import torch

from glance3d.errors import CamerasError
from glance3d.formats.cameras_json import (
    CamerasFile,
    CamerasFileView,
    read_cameras_file,
    write_cameras_file,
)
from glance3d.formats.colmap.binary import read_binary_model, write_binary_model
from glance3d.formats.colmap.camera_models import MODELS
from glance3d.formats.colmap.model import read_colmap_poses
from glance3d.formats.colmap.records import (
    ColmapCamera,
    ColmapImage,
    ColmapModel,
    ColmapPoints2D,
    ColmapPoints3D,
)
from glance3d.formats.kitti import write_kitti_trajectory
from glance3d.formats.transforms_json.file import (
    TransformsFile,
    TransformsFrame,
    read_transforms_file,
    write_transforms_file,
)
from glance3d.formats.transforms_json.frame_intrinsics import FrameIntrinsics
from glance3d.formats.tum import (
    TumPose,
    is_tum_trajectory,
    read_tum_trajectory,
    write_tum_trajectory,
)

MATRIX = torch.tensor([[500.0, 0, 320.5], [0, 510, 240.25], [0, 0, 1]], dtype=torch.float64)
POSE = torch.tensor([[0.0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3]], dtype=torch.float64)


def small_model():
    """Two images of two cameras; the first point is seen by both, the second by one."""
    cameras = {
        3: ColmapCamera("SIMPLE_RADIAL", (640, 480), (500.0, 320.0, 240.0, 0.01)),
        7: ColmapCamera("PINHOLE", (480, 640), (510.0, 500.0, 240.0, 320.0)),
    }
    seen = (
        ColmapPoints2D(np.array([[10.5, 20.5], [30.5, 40.25]]), np.array([11, -1])),
        ColmapPoints2D(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([12, 11])),
    )
    images = {
        1: ColmapImage(1, "a.jpg", 3, (1.0, 0.0, 0.0, 0.0), (1.0, 2.0, 3.0), seen[0]),
        5: ColmapImage(5, "ä b.jpg", 7, (0.6, 0.0, 0.8, 0.0), (0.0, -1.0, 0.5), seen[1]),
    }
    points = ColmapPoints3D(
        ids=np.array([11, 12]),
        xyz=np.array([[0.5, 1.5, 2.5], [-1.0, 0.0, 4.0]]),
        colors=np.array([[1, 2, 3], [250, 251, 252]], np.uint8),
        errors=np.array([0.25, 0.5]),
        track_lengths=np.array([2, 1]),
        image_ids=np.array([1, 5, 5]),
        point2d_indices=np.array([0, 1, 0]),
    )
    return ColmapModel(cameras, images, points)


def test_pycolmap_reads_the_written_model(tmp_path):
    model = small_model()
    write_binary_model(tmp_path, model)
    theirs = pycolmap.Reconstruction(tmp_path)
    for camera_id, camera in model.cameras.items():
        other = theirs.cameras[camera_id]
        assert (other.model.name, (other.width, other.height)) == (camera.model, camera.size)
        assert tuple(other.params) == camera.parameters
    for image_id, image in model.images.items():
        other = theirs.images[image_id]
        assert (other.name, other.camera_id) == (image.name, image.camera_id)
        np.testing.assert_allclose(
            other.cam_from_world().matrix(), image.cam_from_world(), rtol=0, atol=1e-15
        )
        np.testing.assert_array_equal([p.xy for p in other.points2D], image.points2d.xy)
        assert [p.has_point3D() for p in other.points2D] == list(image.points2d.point3d_ids > 0)
    for index, point_id in enumerate(model.points.ids):
        other = theirs.points3D[int(point_id)]
        np.testing.assert_array_equal(other.xyz, model.points.xyz[index])
        np.testing.assert_array_equal(other.color, model.points.colors[index])
        assert other.error == model.points.errors[index]
        elements = model.points.point_of_element == index
        assert [(e.image_id, e.point2D_idx) for e in other.track.elements] == list(
            zip(
                model.points.image_ids[elements],
                model.points.point2d_indices[elements],
                strict=True,
            )
        )


def test_a_written_model_is_read_back_whole(tmp_path):
    model = small_model()
    write_binary_model(tmp_path, model)
    again = read_binary_model(tmp_path)
    assert again.cameras == model.cameras
    for image_id, image in model.images.items():
        assert replace(again.images[image_id], points2d=None) == replace(image, points2d=None)
        for field in fields(ColmapPoints2D):
            read = getattr(again.images[image_id].points2d, field.name)
            np.testing.assert_array_equal(read, getattr(image.points2d, field.name))
    for field in fields(ColmapPoints3D):
        np.testing.assert_array_equal(
            getattr(again.points, field.name), getattr(model.points, field.name)
        )


def test_text_and_binary_say_the_same(tmp_path):
    write_binary_model(tmp_path / "binary", small_model())
    (tmp_path / "text").mkdir()
    pycolmap.Reconstruction(tmp_path / "binary").write_text(tmp_path / "text")
    binary, text = (read_colmap_poses(tmp_path / kind) for kind in ("binary", "text"))
    assert binary.cameras == text.cameras
    by_id = {image.image_id: image for image in text.images}
    assert len(binary.images) == len(by_id) == 2
    for image in binary.images:
        assert (image.name, image.camera_id) == (
            by_id[image.image_id].name,
            by_id[image.image_id].camera_id,
        )
        torch.testing.assert_close(
            image.cam_from_world(), by_id[image.image_id].cam_from_world(), rtol=0, atol=1e-12
        )


def test_the_camera_models_are_pycolmaps():
    for number, (name, num_parameters) in MODELS.items():
        camera = pycolmap.Camera.create_from_model_id(
            1, pycolmap.CameraModelId(number), 500.0, 640, 480
        )
        assert (camera.model.name, len(camera.params)) == (name, num_parameters)


@pytest.mark.parametrize("name", ["cameras.bin", "images.bin", "points3D.bin"])
def test_a_model_that_is_cut_short_is_refused(tmp_path, name):
    write_binary_model(tmp_path, small_model())
    whole = (tmp_path / name).read_bytes()
    for content in (whole[:-3], whole + b"more"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CamerasError, match=name):
            read_binary_model(tmp_path)


def test_cameras_json_is_read_back(tmp_path):
    views = (
        CamerasFileView("images/a.jpg", (640, 480), MATRIX, POSE, 0.1, 2, "depth/a.png"),
        CamerasFileView("images/b.jpg", None, None, None),
    )
    file = CamerasFile("set", "reference camera", "metre", True, 0.001, views)
    again = read_cameras_file(write_cameras_file(tmp_path / "cameras.json", file))
    assert replace(again, views=()) == replace(file, views=())
    for view, other in zip(file.views, again.views, strict=True):
        for field in fields(CamerasFileView):
            one, two = getattr(view, field.name), getattr(other, field.name)
            assert torch.equal(one, two) if isinstance(one, torch.Tensor) else one == two


@pytest.mark.parametrize("radials", [(0.0, 0.0), (0.1, 0.0), (0.1, 0.1)])
def test_transforms_json_is_read_back(tmp_path, radials):
    frames = tuple(
        TransformsFrame(f"images/{n}.jpg", POSE, FrameIntrinsics(MATRIX, radial, (640, 480)))
        for n, radial in enumerate(radials)
    )
    path = write_transforms_file(tmp_path / "transforms.json", TransformsFile(frames))
    for frame, other in zip(frames, read_transforms_file(path).frames, strict=True):
        assert other.file_path == frame.file_path
        assert torch.equal(other.cam_from_world, POSE)
        assert torch.equal(other.intrinsics.matrix, MATRIX)
        assert (other.intrinsics.radial, other.intrinsics.size) == (
            frame.intrinsics.radial,
            (640, 480),
        )


def test_trajectories(tmp_path):
    poses = (
        TumPose(1.5, (1.0, 2.0, 3.0), (0.0, 0.0, 0.6, 0.8)),
        TumPose(2.25, (-1.0, 0.5, 0.0), (0.0, 0.0, 0.0, 1.0)),
    )
    path = write_tum_trajectory(tmp_path / "a.tum", poses, ["a comment"])
    assert path.read_text().startswith("# a comment\n1.500000 1.000000000")
    assert is_tum_trajectory(path)
    assert read_tum_trajectory(path) == poses
    kitti = write_kitti_trajectory(tmp_path / "a.kitti", POSE[None])
    assert not is_tum_trajectory(kitti)
    assert [float(word) for word in kitti.read_text().split()] == POSE.flatten().tolist()
