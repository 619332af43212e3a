"""The self-check finds what pycolmap finds, and what is wrong."""

import json
from dataclasses import replace

import numpy as np
import pycolmap
import pytest

from glance3d.errors import SceneError
from glance3d.exporters import export, write_scene_folder
from glance3d.exporters.colmap.check import check_colmap_model, colmap_check_warnings
from glance3d.formats.colmap.binary import read_binary_model
from tests.exporters.analytic import build_scene, with_measured_points, with_tracks, without_points


def model_of(scene, folder):
    export(scene, folder, format="colmap", companions=False)
    return folder / "sparse" / "0"


def colmap_errors(folder):
    """Every observation's error, as pycolmap computes it."""
    model, errors = pycolmap.Reconstruction(folder), []
    for image in model.images.values():
        for point_2d in image.points2D:
            in_camera = image.cam_from_world() * model.points3D[point_2d.point3D_id].xyz
            projected = model.cameras[image.camera_id].img_from_cam(in_camera)
            errors.append(np.linalg.norm(projected - point_2d.xy))
    return np.array(errors)


@pytest.mark.parametrize("bent", [False, True])
def test_the_numbers_are_pycolmaps(tmp_path, bent):
    scene = with_measured_points(build_scene(tmp_path, photos=False, bent=bent), noise=0.7)
    folder = model_of(scene, tmp_path)
    check, errors = check_colmap_model(folder), colmap_errors(folder)
    assert check["num_observations"] == len(errors) == scene.sparse.num_observations
    assert check["num_points"] == len(scene.sparse)
    assert (check["num_views"], check["num_cameras"]) == (4, 4)
    for key, share in (("median_px", 0.5), ("p90_px", 0.9), ("max_px", 1.0)):
        assert check[key] == pytest.approx(np.quantile(errors, share), abs=1e-5)
    assert 0.5 < check["median_px"] < 1.2
    assert check["lists_agree"]
    assert check["num_points_of_one_view"] == check["num_behind_camera"] == 0
    assert colmap_check_warnings(check) == []


def test_the_reader_reads_everything(scene, tmp_path):
    folder = model_of(with_tracks(scene), tmp_path)
    read, model = read_binary_model(folder), pycolmap.Reconstruction(folder)
    points = read.points
    assert sorted(points.ids) == sorted(model.points3D)
    for index in range(0, len(points.ids), 97):
        point = model.points3D[int(points.ids[index])]
        np.testing.assert_array_equal(points.xyz[index], point.xyz)
        np.testing.assert_array_equal(points.colors[index], point.color)
        assert points.errors[index] == point.error
        elements = points.point_of_element == index
        track = zip(points.image_ids[elements], points.point2d_indices[elements], strict=True)
        assert list(track) == [(e.image_id, e.point2D_idx) for e in point.track.elements]
    for image_id, image in read.images.items():
        theirs = model.images[image_id]
        assert (image.name, image.camera_id) == (theirs.name, theirs.camera_id)
        np.testing.assert_array_equal(image.points2d.xy, [p.xy for p in theirs.points2D])
        rotation = theirs.cam_from_world().rotation.quat  # x y z w
        np.testing.assert_allclose(np.roll(image.quat_wxyz, -1), rotation, atol=1e-12)


def test_the_report_of_a_folder_holds_the_check(scene, tmp_path):
    for name, made, kind in (
        ("measured", with_measured_points(scene, noise=0.5), "measured tracks"),
        ("implied", scene, "tracks and depth maps"),
    ):
        write_scene_folder(made, tmp_path / name)
        report = json.loads((tmp_path / name / "report.json").read_text())
        check = report["checks"]["colmap"]
        assert check == {"observations": kind, **check_colmap_model(tmp_path / name / "sparse/0")}
        assert (check["median_px"] > 0.1) == (kind == "measured tracks")
        assert report["warnings"] == ["an earlier warning"]


def test_a_model_without_points_is_checked_too(scene, tmp_path):
    check = check_colmap_model(model_of(without_points(scene), tmp_path))
    assert check["num_observations"] == check["num_points"] == 0
    assert check["median_px"] is check["max_px"] is None
    assert check["num_views"] == 4


def test_impossible_observations_are_named(scene, tmp_path):
    measured = with_measured_points(scene)
    sparse = measured.sparse
    points, pixels = sparse.points_world.clone(), sparse.pixels_original.clone()
    points[0] = measured.cameras.centers[0] - 1  # behind the first camera, at least
    pixels[-1] = 5000.0
    broken = replace(measured, sparse=replace(sparse, points_world=points, pixels_original=pixels))
    write_scene_folder(broken, tmp_path, formats=["colmap", "report"])
    report = json.loads((tmp_path / "report.json").read_text())
    check = report["checks"]["colmap"]
    assert check["num_behind_camera"] >= 1
    assert check["num_outside_photo"] == 1
    assert any("behind the camera" in warning for warning in report["warnings"])
    assert any("1 of" in w and "outside the photo" in w for w in report["warnings"])


def test_lists_that_differ_are_found(scene, tmp_path):
    folder = model_of(with_measured_points(scene), tmp_path)
    content = bytearray((folder / "images.bin").read_bytes())
    content[-8:] = (1).to_bytes(8, "little")  # the last 2-D point now claims point 1
    (folder / "images.bin").write_bytes(content)
    check = check_colmap_model(folder)
    assert not check["lists_agree"]
    assert "list different observations" in colmap_check_warnings(check)[0]


@pytest.mark.parametrize("name", ["cameras", "images", "points3D"])
def test_files_that_are_cut_short_are_refused(scene, tmp_path, name):
    folder = model_of(with_measured_points(scene), tmp_path)
    path = folder / f"{name}.bin"
    whole = path.read_bytes()
    for content in (whole[:-5], whole + b"more", b""):
        path.write_bytes(content)
        with pytest.raises(SceneError, match="whole COLMAP model"):
            check_colmap_model(folder)
