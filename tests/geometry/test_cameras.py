"""Transforms, pinhole cameras and the pose encoding, against each other."""

import math

import pytest
import torch

from glance3d.geometry.cameras import (
    camera_centers,
    pixel_grid,
    project_points,
    scale_intrinsics,
    unproject_depth,
)
from glance3d.geometry.pose_encoding import decode_pose, encode_pose
from glance3d.geometry.rotations import rotation_angle, rotation_from_quat_xyzw, so3_exp
from glance3d.geometry.transforms import compose, invert, transform_points


@pytest.fixture
def cameras() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    quat = torch.randn(2, 5, 4, generator=generator)
    rotation = rotation_from_quat_xyzw(quat)
    cam_from_world = torch.cat([rotation, torch.randn(2, 5, 3, 1, generator=generator)], -1)
    intrinsics = torch.tensor([[500.0, 0, 310], [0, 480, 250], [0, 0, 1]]).expand(2, 5, 3, 3)
    return cam_from_world, intrinsics


def test_names_cancel(cameras) -> None:
    cam_from_world, _ = cameras
    identity = compose(cam_from_world, invert(cam_from_world))
    torch.testing.assert_close(identity, torch.eye(3, 4).expand(2, 5, 3, 4), atol=1e-5, rtol=0)
    cam1_from_cam0 = compose(cam_from_world[:, 1], invert(cam_from_world[:, 0]))
    points = torch.randn(2, 7, 3)
    straight = transform_points(cam_from_world[:, 1], points)
    around = transform_points(cam1_from_cam0, transform_points(cam_from_world[:, 0], points))
    torch.testing.assert_close(straight, around, atol=1e-5, rtol=1e-5)


def test_the_camera_center_is_the_camera_frames_origin(cameras) -> None:
    cam_from_world, _ = cameras
    centers = camera_centers(cam_from_world)
    at_origin = transform_points(cam_from_world, centers.unsqueeze(-2))
    torch.testing.assert_close(at_origin, torch.zeros_like(at_origin), atol=1e-5, rtol=0)


@pytest.mark.parametrize("angle", [0.0, 1e-4, 0.5, math.pi / 2, 3.1, math.pi])
def test_rotation_angle(angle: float) -> None:
    axis = torch.tensor([[0.6, 0.0, 0.8]], dtype=torch.float64)
    turned = so3_exp(axis * angle).float()
    measured = rotation_angle(torch.eye(3)[None], turned)
    torch.testing.assert_close(measured, torch.tensor([angle]), atol=1e-5, rtol=0)


def test_projection_undoes_unprojection(cameras) -> None:
    cam_from_world, intrinsics = cameras
    depth = torch.rand(2, 5, 6, 8) + 0.5
    points = unproject_depth(depth, cam_from_world, intrinsics)
    pixels, projected_depth = project_points(points.flatten(2, 3), cam_from_world, intrinsics)
    torch.testing.assert_close(projected_depth.unflatten(-1, (6, 8)), depth, atol=1e-4, rtol=1e-4)
    expected = pixel_grid(6, 8).flatten(0, 1).expand_as(pixels)
    torch.testing.assert_close(pixels, expected, atol=2e-2, rtol=1e-4)


def test_the_first_pixels_centre_is_at_one_half() -> None:
    assert pixel_grid(2, 3)[0, 0].tolist() == [0.5, 0.5]
    assert pixel_grid(2, 3)[1, 2].tolist() == [2.5, 1.5]
    assert pixel_grid(2, 3, pixel_origin=0.0)[1, 2].tolist() == [2.0, 1.0]


def test_scaled_intrinsics_project_to_scaled_pixels(cameras) -> None:
    cam_from_world, intrinsics = cameras
    points = torch.randn(2, 5, 20, 3) + torch.tensor([0.0, 0, 6])
    scale, offset = torch.tensor([0.5, 0.25]), torch.tensor([3.0, -7.0])
    pixels, _ = project_points(points, cam_from_world, intrinsics)
    resized = scale_intrinsics(intrinsics, scale, offset)
    projected, depth = project_points(points, cam_from_world, resized)
    far = depth.abs() > 0.2
    torch.testing.assert_close(projected[far], (pixels * scale + offset)[far], atol=1e-2, rtol=1e-4)


def test_pose_encoding_round_trip(cameras) -> None:
    cam_from_world, _ = cameras
    intrinsics = torch.tensor([[300.0, 0, 259], [0, 310, 196], [0, 0, 1]]).expand(2, 5, 3, 3)
    encoded = encode_pose(cam_from_world, intrinsics, 392, 518)
    assert (encoded[..., 6] >= 0).all()
    decoded, decoded_intrinsics = decode_pose(encoded, 392, 518)
    torch.testing.assert_close(decoded, cam_from_world, atol=1e-5, rtol=0)
    torch.testing.assert_close(decoded_intrinsics, intrinsics, atol=1e-3, rtol=1e-5)


def test_field_of_view_is_vertical_then_horizontal() -> None:
    encoded = torch.tensor([0.0, 0, 0, 0, 0, 0, 1, math.pi / 2, math.pi / 3])
    _, intrinsics = decode_pose(encoded, height=100, width=200)
    assert intrinsics[1, 1].item() == pytest.approx(50.0)
    assert intrinsics[0, 0].item() == pytest.approx(100 / math.tan(math.pi / 6))
    assert intrinsics[:2, 2].tolist() == [100.0, 50.0]
