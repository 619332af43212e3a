"""Which points are drawn, and where."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from glance3d.exporters.points.point_cloud import confident_pixels
from glance3d.geometry.similarity import Similarity
from glance3d.viewer.cloud_nodes import keep_points
from glance3d.viewer.clouds import depth_cloud, painted, sparse_cloud, view_colors
from glance3d.viewer.display import (
    TYPICAL_DISTANCE,
    displayed_like,
    first_look,
    room_beside,
    surer_points,
    upright_display,
)


@pytest.mark.parametrize("percentile", [0.0, 25.0, 50.0, 99.0])
@pytest.mark.parametrize("measured", [False, True])
def test_the_slider_keeps_what_an_export_keeps(scene, percentile, measured):
    which = torch.arange(scene.mask.numel()).reshape(scene.mask.shape) % 3 == 0
    scene = replace(scene, measured=which if measured else None)
    display = upright_display(scene)
    cloud = depth_cloud(scene, display)
    kept = confident_pixels(scene, percentile)
    points = display.transform_points(scene.points_world[kept].double()).float().numpy()
    assert np.array_equal(cloud.points[keep_points(cloud, percentile, False)], points)
    sure = keep_points(cloud, percentile, True)
    assert sure.sum() == (kept & which).sum() if measured else sure.sum() == kept.sum()


def test_measured_points_that_more_photos_see_go_last(full_scene):
    cloud = sparse_cloud(full_scene, upright_display(full_scene))
    seen_by = full_scene.sparse.num_observations_of_each().numpy()
    kept = keep_points(cloud, 60.0, False)
    assert 0 < kept.sum() < len(cloud)
    assert seen_by[kept].min() >= seen_by[~kept].max()


def test_a_point_is_drawn_as_large_as_its_pixel(scene):
    """So that points of one photo just touch."""
    display = upright_display(scene)
    cloud = depth_cloud(scene, display)
    first = cloud.views == 0
    focal = scene.placements[0].intrinsics_to_processed(scene.cameras.intrinsics[0])[0, 0]
    depth = scene.depth[0][scene.mask[0]]
    expected = (depth / focal * display.scale).numpy()
    assert np.allclose(cloud.footprints[first], expected, rtol=1e-4)


def test_colours_are_the_photos_or_say_something(scene):
    cloud = depth_cloud(scene, upright_display(scene))
    assert np.array_equal(painted(cloud, "photos", 4), cloud.colors)
    by_view = painted(cloud, "photo", 4)
    assert np.array_equal(
        by_view[cloud.views == 2], np.tile(view_colors(4)[2], ((cloud.views == 2).sum(), 1))
    )
    brightness = painted(cloud, "confidence", 4).sum(1).astype(float)
    assert np.corrcoef(brightness, cloud.ranks)[0, 1] > 0.9


def test_the_scene_stands_upright_at_a_handy_size(scene):
    display = upright_display(scene)
    assert torch.allclose(display.rotation @ display.rotation.T, torch.eye(3).double(), atol=1e-6)
    first = display.transform_cameras(scene.cameras.cam_from_world[:1].double())[0]
    assert torch.allclose(-first[:, :3].T @ first[:, 3], torch.zeros(3).double(), atol=1e-5)
    assert -first[1, 1] > 0.9  # the photo's rows point down, the display's y up
    assert first[2, 2] < -0.9  # and it looks along -z
    depth = depth_cloud(scene, display).points[:, 2]
    assert 0.3 * TYPICAL_DISTANCE < np.median(-depth) < 3 * TYPICAL_DISTANCE


def test_the_first_look_has_the_scene_in_the_picture(scene):
    display = upright_display(scene)
    points = display.transform_points(surer_points(scene)).numpy()
    pose = first_look(scene, display, points)
    offset = points - pose.position
    forward = (pose.look_at - pose.position) / np.linalg.norm(pose.look_at - pose.position)
    angle = np.arccos((offset @ forward) / np.linalg.norm(offset, axis=1))
    assert np.mean(angle < pose.fov) > 0.9
    assert pose.position[2] > 0  # behind the first camera
    assert pose.position[1] > 0  # and above it


def test_another_version_looks_the_same_from_the_first_camera(scene):
    """A version in another world, of another size, is laid on the first camera."""
    quarter = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]).double()
    other = scene.moved(Similarity(3.0, quarter, torch.tensor([1.0, 2, 3]).double()))
    display = upright_display(scene)
    moved = displayed_like(other, scene, display)
    same = moved.transform_points(other.points_world[0, 50, 50].double())
    assert torch.allclose(
        same, display.transform_points(scene.points_world[0, 50, 50].double()), atol=1e-3
    )


def test_versions_stand_clear_of_each_other():
    cloud = np.random.default_rng(0).normal(0, 1, (1000, 3))
    shift = room_beside(cloud, cloud)
    assert np.mean(cloud[:, 0] - shift < np.quantile(cloud[:, 0], 0.03)) > 0.95
