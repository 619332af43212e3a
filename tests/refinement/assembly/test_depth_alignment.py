"""Depth fitted to measured points: exact where points allow, careful where they do not."""

from dataclasses import replace

import pytest
import torch

from glance3d.refinement.assembly.depth_alignment import align_depth
from glance3d.types import Reconstruction
from tests.densification.scenes import Patch, build_scene, row_of_cameras, sparse_points


def wall_scene(views: int, scales: list[float], step: int = 10) -> Reconstruction:
    """A slanted wall with its true points; the network's depth is the truth over ``scales``."""
    cameras = row_of_cameras(views, sizes=((48, 48),))
    scene, _, truth = build_scene([Patch(4.0, slope=0.6)], cameras, 4.0)
    small = torch.nn.functional.interpolate(torch.stack(truth)[:, None], (24, 24), mode="area")
    depth = small[:, 0] / torch.tensor(scales)[:, None, None]
    return replace(scene, depth=depth, sparse=sparse_points(cameras, truth, step))


def test_every_view_finds_its_scale_in_spite_of_outliers() -> None:
    scales = [0.5, 2.0, 3.0]
    scene = wall_scene(3, scales, step=4)
    assert scene.sparse is not None
    points = scene.sparse.points_world.clone()
    points[::4, 2] *= 3  # a quarter of the points is wrong
    aligned = align_depth(replace(scene, sparse=replace(scene.sparse, points_world=points)))
    assert aligned.depth is not None
    assert scene.depth is not None
    truth = scene.depth * torch.tensor(scales)[:, None, None]
    torch.testing.assert_close(aligned.depth, truth, rtol=0.02, atol=0)
    fits = list(aligned.report.to_json()["depth_alignment"].values())
    assert [fit["power"] for fit in fits] == [1.0] * 3
    assert all(fit["num_points"] == 144 for fit in fits)


def test_points_are_made_anew_from_the_aligned_depth() -> None:
    scene = wall_scene(2, [2.0, 2.0])
    aligned = align_depth(scene)
    assert aligned.points_world is not None
    wall = aligned.points_world
    torch.testing.assert_close(wall[..., 2], 4 + 0.6 * wall[..., 0], rtol=0.01, atol=0)
    assert aligned.points_from == "depth"


def test_depth_that_is_bent_is_straightened_by_a_power() -> None:
    scene = wall_scene(1, [1.0], step=4)
    assert scene.depth is not None
    aligned = align_depth(replace(scene, depth=scene.depth**2))
    assert aligned.depth is not None
    assert aligned.report.depth_alignment["0.png"].power == pytest.approx(0.5, abs=0.02)
    torch.testing.assert_close(aligned.depth, scene.depth, rtol=0.02, atol=0)


def test_views_without_points_take_the_others_scale() -> None:
    scene = wall_scene(3, [2.0, 2.0, 2.0])
    assert scene.sparse is not None
    kept = scene.sparse.view_indices != 1
    fewer = replace(
        scene.sparse,
        view_indices=scene.sparse.view_indices[kept],
        point_indices=scene.sparse.point_indices[kept],
        pixels_original=scene.sparse.pixels_original[kept],
    )
    aligned = align_depth(replace(scene, sparse=fewer))
    fit = aligned.report.to_json()["depth_alignment"]["1.png"]
    assert fit["num_points"] == 0
    assert fit["median_relative_error"] is None
    assert fit["scale"] == pytest.approx(2.0, rel=0.01)


def test_without_points_depth_stays_and_without_depth_everything_does() -> None:
    scene = replace(wall_scene(2, [2.0, 2.0]), sparse=None)
    aligned = align_depth(scene)
    assert aligned.depth is not None
    assert scene.depth is not None
    torch.testing.assert_close(aligned.depth, scene.depth)
    assert align_depth(replace(scene, depth=None)).depth is None


def test_unusable_depth_is_left_alone() -> None:
    scene = wall_scene(1, [2.0], step=4)
    assert scene.depth is not None
    depth = scene.depth.clone()
    depth[0, 0, :3] = torch.tensor([0.0, -1.0, torch.nan])
    aligned = align_depth(replace(scene, depth=depth))
    assert aligned.depth is not None
    assert aligned.depth[0, 0, 0] == 0
    assert aligned.depth[0, 0, 1] == -1
    assert aligned.depth[0, 0, 2].isnan()
