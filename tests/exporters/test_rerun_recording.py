"""A recording, read back by rerun's own reader."""

import sys

import numpy as np
import pytest
from rerun.chunk import RrdReader

from glance3d.errors import MissingExtraError
from glance3d.exporters import export
from glance3d.exporters.points.point_cloud import select_points
from glance3d.geometry.transforms import invert
from tests.exporters.analytic import without_points


def read(path):
    """All columns of every entity, as lists with one entry a row."""
    reader = RrdReader(str(path))
    assert [entry.application_id for entry in reader.recordings()] == ["glance3d"]
    columns: dict[str, dict[str, list]] = {}
    for chunk in reader.stream():
        batch = chunk.to_record_batch()
        own = columns.setdefault(chunk.entity_path, {})
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            if name == "log_time":  # nanoseconds, which Python's own datetime cannot hold
                continue
            own.setdefault(name, []).extend(values.to_pylist())
    return columns


def column(entity, ending):
    (name,) = [name for name in entity if name.endswith(ending)]
    return entity[name]


@pytest.fixture(scope="module")
def recording(scene, tmp_path_factory):
    return read(export(scene, tmp_path_factory.mktemp("rerun") / "scene.rrd", max_points=500)[0])


def test_points_and_colours(scene, recording):
    cloud = select_points(scene, 25.0, 500)
    (positions,) = column(recording["/world/points"], ":positions")
    np.testing.assert_array_equal(np.array(positions), cloud.points_world.numpy())
    (colors,) = column(recording["/world/points"], ":colors")
    first = cloud.colors[0].tolist()
    assert colors[0] == (first[0] << 24) + (first[1] << 16) + (first[2] << 8) + 255


def test_every_view_has_its_camera_photo_and_depth(scene, recording):
    grid = scene.cameras.on_grid(scene.placements)
    for view, name in enumerate(scene.names):
        entity = recording[f"/world/cameras/{name}"]
        assert column(entity, "view") == [view] * len(column(entity, "view"))
        translation = [row for row in column(entity, "Transform3D:translation") if row]
        np.testing.assert_allclose(translation[0][0], scene.cameras.centers[view], atol=1e-6)
        rotation = [row for row in column(entity, "Transform3D:mat3x3") if row]
        pose = invert(scene.cameras.cam_from_world[view])[:, :3].T.flatten()  # column by column
        np.testing.assert_allclose(rotation[0][0], pose, atol=1e-6)
        intrinsics = [row for row in column(entity, "Pinhole:image_from_camera") if row]
        np.testing.assert_allclose(intrinsics[0][0], grid.intrinsics[view].T.flatten(), rtol=1e-6)
        children = [path for path in recording if path.startswith("/world/cameras/")]
        assert sum(path.endswith(("/photo", "/depth")) for path in children) == 2 * len(scene.names)


def test_the_world_stands_upright(recording):
    (coordinates,) = column(recording["/world"], "ViewCoordinates:xyz")
    assert coordinates[0][1] == 2  # y down, as the reference camera has it


def test_cameras_alone_and_a_missing_package(scene, tmp_path, monkeypatch):
    assert "/world/points" not in read(export(without_points(scene), tmp_path / "s.rrd")[0])
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(MissingExtraError, match=r"glance3d\[rerun\]"):
        export(scene, tmp_path / "t.rrd")
