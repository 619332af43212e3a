"""COLMAP reads the model, and its points hold several views together."""

from dataclasses import replace

import numpy as np
import pycolmap
import pytest
import torch

from glance3d.exporters import export
from tests.exporters.analytic import (
    SPHERE_CENTER,
    SPHERE_RADIUS,
    build_scene,
    with_tracks,
    without_points,
)


def exported(scene, path, **options):
    export(scene, path, format="colmap", **options)
    return pycolmap.Reconstruction(path / "sparse" / "0")


def test_cameras_are_those_of_the_originals(scene, tmp_path):
    model = exported(scene, tmp_path)
    assert model.num_images() == model.num_cameras() == model.num_reg_images() == 4
    for view, name in enumerate(("a.jpg", "b.png", "C.JPG", "d.jpg")):
        image = model.images[view + 1]
        camera = model.cameras[image.camera_id]
        assert image.name == name
        square = name == "C.JPG"  # one focal length is enough there
        assert camera.model.name == ("SIMPLE_PINHOLE" if square else "PINHOLE")
        assert (camera.width, camera.height) == scene.placements[view].original_size
        matrix = camera.calibration_matrix()
        np.testing.assert_array_equal(matrix, scene.cameras.intrinsics[view].double())
        pose = image.cam_from_world().matrix()
        np.testing.assert_allclose(pose, scene.cameras.cam_from_world[view], atol=1e-6)


def test_points_are_seen_by_several_views_and_lists_agree(scene, tmp_path):
    model = exported(scene, tmp_path)
    lengths = [point.track.length() for point in model.points3D.values()]
    assert min(lengths) == 2
    assert max(lengths) == 4
    assert np.mean(lengths) > 2
    for point_id, point in list(model.points3D.items())[::50]:
        views = [element.image_id for element in point.track.elements]
        assert len(set(views)) == len(views)
        for element in point.track.elements:
            observation = model.images[element.image_id].points2D[element.point2D_idx]
            assert observation.point3D_id == point_id


def test_hidden_points_are_not_observed(scene, tmp_path):
    model = exported(scene, tmp_path)
    center = SPHERE_CENTER.numpy()
    for point in model.points3D.values():
        for element in point.track.elements:
            eye = model.images[element.image_id].projection_center()
            ray, length = point.xyz - eye, np.linalg.norm(point.xyz - eye)
            along = np.clip((center - eye) @ ray / length, 0, length)
            nearest = np.linalg.norm(eye + ray / length * along - center)
            behind = along < length - 0.3 * SPHERE_RADIUS
            assert not (behind and nearest < 0.9 * SPHERE_RADIUS)


def test_errors_are_the_true_reprojection_errors(scene, tmp_path):
    head = replace(scene, points_world=scene.points_world + 0.003, points_from="points")
    model = exported(head, tmp_path)
    written = {point_id: point.error for point_id, point in model.points3D.items()}
    model.update_point_3d_errors()
    computed = {point_id: point.error for point_id, point in model.points3D.items()}
    assert max(written.values()) > 0.05
    for point_id, error in written.items():
        assert error == pytest.approx(computed[point_id], abs=1e-4)


def test_tracks_become_points_with_measured_observations(scene, tmp_path):
    scene = with_tracks(scene)
    model = exported(scene, tmp_path, max_points=50)
    assert model.num_points3D() == 50
    for query, length in ((1, 3), (2, 4)):
        point = model.points3D[query]
        seen = {element.image_id for element in point.track.elements}
        assert seen <= {1, 2, 3, 4}
        for element in point.track.elements:
            observation = model.images[element.image_id].points2D[element.point2D_idx]
            truth = scene.tracks.positions[element.image_id - 1, query - 1]
            np.testing.assert_allclose(observation.xy, truth)
        assert point.track.length() <= length
        assert point.error < 2.0


def test_points_of_one_view_are_kept_where_there_is_little_else(scene, tmp_path, caplog):
    model = exported(build_scene(tmp_path, 1), tmp_path / "one")
    assert model.num_points3D() > 1000
    assert caplog.text == ""
    factors = torch.tensor([1.0, 1.5, 2.2, 3.0])[:, None, None]
    apart = replace(
        scene, depth=scene.depth * factors, points_world=scene.points_world * factors[..., None]
    )
    model = exported(apart, tmp_path / "apart")
    assert model.num_points3D() > 1000
    assert "cannot be bundle-adjusted" in caplog.text


def test_bundle_adjustment_runs_on_it(scene, tmp_path):
    model = exported(scene, tmp_path, max_points=500)
    options = pycolmap.BundleAdjustmentOptions()
    options.print_summary = False
    pycolmap.bundle_adjustment(model, options)
    assert model.compute_mean_reprojection_error() < 0.05


def test_the_same_points_every_time(scene, tmp_path):
    for name in "ab":
        exported(scene, tmp_path / name, max_points=100)
    a, b = (tmp_path / name / "sparse" / "0" / "points3D.bin" for name in "ab")
    assert a.read_bytes() == b.read_bytes()


def test_cameras_alone_make_a_model_without_points(scene, tmp_path):
    model = exported(without_points(scene), tmp_path)
    assert model.num_reg_images() == 4
    assert model.num_points3D() == 0


@pytest.mark.parametrize("below", ["", "sparse", "sparse/0"])
def test_the_project_may_be_named_by_its_model(scene, tmp_path, below):
    export(scene, tmp_path / "colmap" / below)
    assert (tmp_path / "colmap" / "sparse" / "0" / "cameras.bin").is_file()
    assert (tmp_path / "colmap" / "images" / "a.jpg").is_file()
