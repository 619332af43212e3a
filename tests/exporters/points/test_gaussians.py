"""3-D Gaussians, read back by plyfile as the trainers' loaders do."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from plyfile import PlyData
from scipy.spatial import cKDTree

from glance3d.errors import SceneError
from glance3d.exporters import export
from glance3d.exporters.points.point_cloud import select_points
from glance3d.types import SparsePoints

SH_DC = 0.28209479177387814


def load_gaussians(path):
    """As the published viewers and trainers do it: by property names, sorted by number."""
    vertex = PlyData.read(path)["vertex"]
    names = [p.name for p in vertex.properties]

    def numbered(prefix):
        own = sorted(
            (n for n in names if n.startswith(prefix)), key=lambda n: int(n[len(prefix) :])
        )
        return np.stack([vertex[name] for name in own], -1)

    return {
        "xyz": np.stack([vertex[axis] for axis in "xyz"], -1),
        "dc": numbered("f_dc_"),
        "rest": numbered("f_rest_"),
        "opacity": 1 / (1 + np.exp(-vertex["opacity"])),
        "scale": np.exp(numbered("scale_")),
        "quat_wxyz": numbered("rot_"),
    }


def test_a_trainer_gets_what_the_paper_starts_from(scene, tmp_path):
    (path,) = export(scene, tmp_path / "gaussians.ply", max_points=5000)
    gaussians = load_gaussians(path)
    cloud = select_points(scene, 25.0, 5000)
    points = cloud.points_world.numpy()
    np.testing.assert_array_equal(gaussians["xyz"], points)
    np.testing.assert_allclose(gaussians["dc"] * SH_DC + 0.5, cloud.colors.numpy() / 255, atol=1e-6)
    assert gaussians["rest"].shape == (5000, 45)
    assert not gaussians["rest"].any()
    np.testing.assert_allclose(gaussians["opacity"], 0.1, rtol=1e-5)
    assert (gaussians["quat_wxyz"] == [1, 0, 0, 0]).all()
    distances = cKDTree(points).query(points, 4)[0][:, 1:]
    expected = np.sqrt(np.square(distances).mean(-1))
    ratio = gaussians["scale"] / expected[:, None]
    assert np.mean(np.abs(ratio - 1) < 1e-3) > 0.9
    assert (ratio > 0.999).all() or np.median(ratio) == pytest.approx(1, abs=1e-3)


def test_measured_points_are_preferred(scene, tmp_path):
    count = 2000
    sparse = SparsePoints(
        torch.rand(count, 3),
        torch.randint(0, 255, (count, 3), dtype=torch.uint8),
        torch.zeros(count, dtype=torch.long),
        torch.arange(count),
        torch.rand(count, 2),
    )
    (path,) = export(replace(scene, sparse=sparse), tmp_path / "gaussians.ply")
    assert len(load_gaussians(path)["xyz"]) == count


def test_points_at_one_place_become_no_needles(scene, tmp_path):
    same = replace(scene, points_world=torch.ones_like(scene.points_world), points_from="points")
    (path,) = export(same, tmp_path / "gaussians.ply", max_points=100)
    assert np.isfinite(np.log(load_gaussians(path)["scale"])).all()


def test_nothing_to_start_from_is_said(scene, tmp_path):
    with pytest.raises(SceneError, match="no point"):
        export(replace(scene, mask=scene.mask & False), tmp_path / "gaussians.ply")
