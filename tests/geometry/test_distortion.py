"""Radial distortion, against COLMAP's SIMPLE_RADIAL and there and back."""

import numpy as np
import pycolmap
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glance3d.geometry.cameras import camera_rays, pixel_grid, project_points, unproject_depth
from glance3d.geometry.distortion import before_fold, distort, undistort
from glance3d.geometry.filter import seen_by_depth

FOCAL, WIDTH, HEIGHT = 700.0, 800, 600
INTRINSICS = torch.tensor([[FOCAL, 0, 405], [0, FOCAL, 290], [0, 0, 1]], dtype=torch.float64)


def colmap_camera(radial: float) -> pycolmap.Camera:
    return pycolmap.Camera(
        model="SIMPLE_RADIAL", width=WIDTH, height=HEIGHT, params=[FOCAL, 405.0, 290.0, radial]
    )


@pytest.mark.parametrize("radial", [-0.2, -0.05, 0.0, 0.03, 0.3, 2.0])
def test_it_is_colmaps_simple_radial(radial):
    camera, k1 = colmap_camera(radial), torch.tensor(radial, dtype=torch.float64)
    pixels = pixel_grid(HEIGHT, WIDTH).double()[::37, ::41].flatten(0, 1)
    rays = camera_rays(pixels, INTRINSICS, k1)
    np.testing.assert_allclose(rays[:, :2], camera.cam_from_img(pixels.numpy()), atol=1e-9)
    points = rays * torch.linspace(1, 9, len(rays), dtype=torch.float64)[:, None]
    projected, depth = project_points(points, torch.eye(3, 4).double(), INTRINSICS, k1)
    np.testing.assert_allclose(projected, camera.img_from_cam(points.numpy()), atol=1e-9)
    torch.testing.assert_close(projected, pixels)
    torch.testing.assert_close(depth, points[:, 2])


@given(st.floats(-0.4, 30), st.floats(0, 1.6), st.floats(0, 0.98))
def test_undistorting_undoes_distorting_up_to_the_fold(radial, angle, share_of_fold):
    k1 = torch.tensor(radial, dtype=torch.float64)
    reach = (-3 * radial) ** -0.5 if radial < -1e-3 else 3.0
    direction = torch.tensor([[np.cos(angle), np.sin(angle)]])
    ideal = direction * min(reach, 3.0) * share_of_fold
    assert before_fold(ideal, k1).all()
    torch.testing.assert_close(undistort(distort(ideal, k1), k1), ideal, atol=1e-8, rtol=1e-8)


def test_beyond_the_fold_no_ray_is_seen():
    k1 = torch.tensor(-0.3)
    ghost = torch.tensor([[1.6, 0.0]])  # the fold is at 1.05
    assert not before_fold(ghost, k1).any()
    assert undistort(torch.tensor([[0.71, 0.0]]), k1).isnan().all()  # farther than any ray is seen
    depth, pose = torch.full((60, 80), 2.0), torch.eye(3, 4)
    intrinsics = torch.tensor([[50.0, 0, 40], [0, 50, 30], [0, 0, 1]])
    points = torch.tensor([[0.4, 0.0, 2.0], [3.2, 0.0, 2.0]])
    seen, pixels = seen_by_depth(points, depth, pose, intrinsics, 0.01, k1)
    assert (pixels[:, 0] < 80).all()  # the ghost would fall into the picture
    assert seen.tolist() == [True, False]


def test_depth_goes_through_the_lens_and_back_in_float32():
    generator = torch.Generator().manual_seed(0)
    pose = torch.eye(3, 4).expand(2, 3, 3, 4).clone()
    pose[..., 3] = torch.randn(2, 3, 3, generator=generator)
    intrinsics = torch.tensor([[60.0, 0, 41], [0, 62, 29], [0, 0, 1]]).expand(2, 3, 3, 3)
    radial = torch.tensor([[-0.2, -0.01, 0.0], [0.01, 0.2, 1.0]])
    depth = torch.rand(2, 3, 60, 80, generator=generator) + 1
    points = unproject_depth(depth, pose, intrinsics, radial=radial)
    pixels, projected_depth = project_points(points.flatten(2, 3), pose, intrinsics, radial)
    torch.testing.assert_close(projected_depth, depth.flatten(2), atol=1e-5, rtol=1e-5)
    expected = pixel_grid(60, 80).flatten(0, 1).expand_as(pixels)
    torch.testing.assert_close(pixels, expected, atol=1e-3, rtol=1e-5)
    straight = unproject_depth(depth, pose, intrinsics)
    bent = (points - straight).flatten(2).abs().amax(-1)
    assert bent[0, 2] < 1e-6  # k1 = 0 is a pinhole
    assert (bent.flatten()[[0, 4, 5]] > 0.05).all()
