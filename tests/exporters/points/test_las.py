"""LAS and LAZ, read back by laspy."""

import sys
from dataclasses import replace

import laspy
import numpy as np
import pytest

from glance3d.errors import MissingExtraError, SceneError
from glance3d.exporters import export
from glance3d.exporters.points.point_cloud import select_points


@pytest.mark.parametrize("suffix", [".las", ".laz"])
def test_points_and_colours_come_back(scene, tmp_path, suffix):
    (path,) = export(scene, tmp_path / f"cloud{suffix}")
    las = laspy.read(path)
    cloud = select_points(scene, 25.0, 10_000_000)
    assert len(las.points) == len(cloud)
    extent = np.ptp(cloud.points_world.numpy(), axis=0).max()
    np.testing.assert_allclose(las.xyz, cloud.points_world.double().numpy(), atol=1e-7 * extent)
    colors = np.stack([las.red, las.green, las.blue], -1)
    np.testing.assert_array_equal(colors, cloud.colors.numpy().astype(int) * 257)
    np.testing.assert_array_equal(las.point_source_id, cloud.view_indices.numpy() + 1)


def test_laz_is_smaller(scene, tmp_path):
    sizes = [export(scene, tmp_path / f"c{s}")[0].stat().st_size for s in (".las", ".laz")]
    assert sizes[1] < 0.7 * sizes[0]


def test_metres_are_whole_millimetres_and_the_world_is_named(scene, tmp_path):
    world = "the east-north-up frame at 47.37, 8.54, 410 m (WGS 84)"
    (path,) = export(replace(scene, units="metre", world=world), tmp_path / "cloud.las")
    las = laspy.read(path)
    assert las.header.scales.tolist() == [0.001] * 3
    (text,) = [vlr for vlr in las.header.vlrs if vlr.record_id == 3]
    assert world in text.record_data_bytes().decode()
    assert "metre" in text.record_data_bytes().decode()


def test_what_is_missing_is_said(scene, tmp_path, monkeypatch):
    with pytest.raises(SceneError, match="no point"):
        export(replace(scene, mask=scene.mask & False), tmp_path / "x.las")
    monkeypatch.setitem(sys.modules, "lazrs", None)
    export(scene, tmp_path / "x.las")
    with pytest.raises(MissingExtraError, match=r"glance3d\[las\]"):
        export(scene, tmp_path / "x.laz")
