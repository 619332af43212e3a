"""A refined scene as a COLMAP model: its tracks and cameras; bundle adjustment leaves it alone."""

from dataclasses import replace

import numpy as np
import pycolmap
import pytest
import torch

from glance3d.exporters import export
from glance3d.types import Placement
from tests.exporters.analytic import GRID, build_scene, upright_pixels, with_measured_points

SIDEWAYS = {"model": "SIMPLE_RADIAL", "focal": 320.0, "radial": -0.08}


def exported(scene, path):
    export(scene, path, format="colmap")
    return pycolmap.Reconstruction(path / "sparse" / "0")


@pytest.fixture(scope="module")
def one_phone(tmp_path_factory):
    """Six portrait photos of one phone, which stored them on their side, with a bending lens."""
    folder = tmp_path_factory.mktemp("phone")
    scene = build_scene(folder, 6, photos=False)
    placement = Placement((240, 320), (GRID, GRID), (0.35, 0.35), (14.0, 0.0), 6)
    focal = SIDEWAYS["focal"]
    intrinsics = torch.tensor([[focal, 0, 121], [0, focal, 158], [0, 0, 1]])
    cameras = replace(
        scene.cameras,
        intrinsics=intrinsics.expand(6, 3, 3).clone(),
        image_sizes=torch.tensor([240, 320]).expand(6, 2).clone(),
        radial=torch.full((6,), SIDEWAYS["radial"]),
        camera_ids=torch.zeros(6, dtype=torch.long),
    )
    return replace(scene, cameras=cameras, placements=(placement,) * 6)


def test_exactly_the_measured_tracks_are_written(scene, tmp_path):
    scene = with_measured_points(scene, noise=0.4)
    sparse = scene.sparse
    model = exported(scene, tmp_path)
    assert model.num_points3D() == len(sparse) > 100
    assert model.compute_num_observations() == sparse.num_observations
    for index in range(len(sparse)):
        point = model.points3D[index + 1]
        np.testing.assert_array_equal(point.xyz, sparse.points_world[index])
        np.testing.assert_array_equal(point.color, sparse.colors[index])
        own = sparse.point_indices == index
        expected = {
            view + 1: pixel
            for view, pixel in zip(
                sparse.view_indices[own].tolist(), sparse.pixels_original[own].numpy(), strict=True
            )
        }
        assert {element.image_id for element in point.track.elements} == set(expected)
        for element in point.track.elements:
            observed = model.images[element.image_id].points2D[element.point2D_idx]
            np.testing.assert_array_equal(observed.xy, expected[element.image_id])


def test_a_budget_does_not_cut_measured_tracks(scene, tmp_path):
    scene = with_measured_points(scene)
    export(scene, tmp_path, format="colmap", max_points=5)
    model = pycolmap.Reconstruction(tmp_path / "sparse" / "0")
    assert model.num_points3D() == len(scene.sparse)


def test_observations_in_any_order_are_told_apart(scene, tmp_path):
    scene = with_measured_points(scene)
    sparse = scene.sparse
    order = torch.randperm(sparse.num_observations, generator=torch.Generator().manual_seed(0))
    shuffled = replace(
        sparse,
        view_indices=sparse.view_indices[order],
        point_indices=sparse.point_indices[order],
        pixels_original=sparse.pixels_original[order],
    )
    model = exported(replace(scene, sparse=shuffled), tmp_path)
    model.update_point_3d_errors()
    assert model.compute_num_observations() == sparse.num_observations
    assert model.compute_mean_reprojection_error() < 1e-3


def test_photos_of_one_camera_share_it(one_phone, tmp_path):
    model = exported(with_measured_points(one_phone), tmp_path)
    assert model.num_cameras() == 1
    assert model.num_reg_images() == 6
    (camera,) = model.cameras.values()
    assert camera.model.name == SIDEWAYS["model"]
    assert (camera.width, camera.height) == (240, 320)  # upright, not as the file stores it
    expected = [SIDEWAYS["focal"], 121, 158, np.float32(SIDEWAYS["radial"])]
    np.testing.assert_array_equal(camera.params, expected)


def test_photos_are_of_the_size_that_their_camera_says(tmp_path):
    scene = with_measured_points(build_scene(tmp_path))
    model = exported(scene, tmp_path / "out")
    for image in model.images.values():
        camera = model.cameras[image.camera_id]
        photo = upright_pixels(tmp_path / "out" / "images" / image.name)
        assert photo.shape == (camera.height, camera.width, 3)


def test_views_that_differ_never_share_a_camera(one_phone, tmp_path):
    landscape = replace(one_phone.placements[0], original_size=(320, 240))
    intrinsics = one_phone.cameras.intrinsics.clone()
    intrinsics[4, 0, 0] += 1
    radial = torch.tensor([-0.08, -0.08, -0.08, 0.0, -0.08, -0.07])
    scene = replace(
        one_phone,
        cameras=replace(one_phone.cameras, intrinsics=intrinsics, radial=radial),
        placements=(landscape, *one_phone.placements[1:]),
    )
    model = exported(scene, tmp_path)
    ids = [model.images[view + 1].camera_id for view in range(6)]
    assert ids == [1, 2, 2, 3, 4, 5]
    models = [model.cameras[camera_id].model.name for camera_id in (1, 2, 3, 4, 5)]
    expected = ["SIMPLE_RADIAL", "SIMPLE_RADIAL", "SIMPLE_PINHOLE", "OPENCV", "SIMPLE_RADIAL"]
    assert models == expected
    unknown = replace(scene, cameras=replace(scene.cameras, camera_ids=None))
    assert exported(unknown, tmp_path / "unknown").num_cameras() == 6


def motion(before, after):
    """The largest change of a camera's place, of a point and (relatively) of a parameter."""
    centers = [
        np.linalg.norm(image.projection_center() - after.images[key].projection_center())
        for key, image in before.images.items()
    ]
    points = [
        np.linalg.norm(point.xyz - after.points3D[key].xyz)
        for key, point in before.points3D.items()
    ]
    parameters = [
        (np.abs(camera.params - after.cameras[key].params) / np.maximum(camera.params, 1)).max()
        for key, camera in before.cameras.items()
    ]
    return max(centers), max(points), max(parameters)


def adjusted(model):
    result = pycolmap.Reconstruction(model)
    options = pycolmap.BundleAdjustmentOptions(print_summary=False)
    pycolmap.bundle_adjustment(result, options)
    return result


@pytest.mark.parametrize("bent", [False, True])
def test_bundle_adjustment_does_not_move_a_true_model(tmp_path, bent):
    scene = with_measured_points(build_scene(tmp_path, 5, photos=False, bent=bent))
    before = exported(scene, tmp_path / "out")
    after = adjusted(before)
    centers, points, parameters = motion(before, after)
    assert centers < 1e-5
    assert points < 1e-4
    assert parameters < 1e-5
    assert after.compute_mean_reprojection_error() < 1e-4


def test_bundle_adjustment_does_not_move_what_was_bundle_adjusted(one_phone, tmp_path):
    noisy = exported(with_measured_points(one_phone, noise=0.5), tmp_path / "noisy")
    best = adjusted(noisy)
    assert motion(noisy, best)[0] > 1e-3  # the noise did move it
    scene = scene_of(best, with_measured_points(one_phone, noise=0.5))
    before = exported(scene, tmp_path / "best")
    after = adjusted(before)
    centers, points, parameters = motion(before, after)
    assert centers < 1e-3 * motion(noisy, best)[0]
    assert points < 1e-3
    assert parameters < 1e-4


def scene_of(model, scene):
    """The scene with a COLMAP model's cameras and points."""
    (camera,) = model.cameras.values()
    poses = [model.images[view + 1].cam_from_world().matrix() for view in range(scene.num_views)]
    intrinsics = torch.from_numpy(camera.calibration_matrix()).float().expand(6, 3, 3).clone()
    points = [model.points3D[index + 1].xyz for index in range(len(scene.sparse))]
    return replace(
        scene,
        cameras=replace(
            scene.cameras,
            cam_from_world=torch.from_numpy(np.stack(poses)).float(),
            intrinsics=intrinsics,
            radial=torch.full((6,), camera.params[3]),
        ),
        sparse=replace(scene.sparse, points_world=torch.from_numpy(np.stack(points))),
    )


def test_a_bending_lens_is_named_for_tools_that_want_pinholes(one_phone, scene, tmp_path, caplog):
    exported(with_measured_points(one_phone), tmp_path / "bent")
    assert "colmap image_undistorter" in caplog.text
    caplog.clear()
    exported(with_measured_points(scene), tmp_path / "straight")
    assert "undistorter" not in caplog.text
