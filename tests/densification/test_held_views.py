"""What is measured from cameras that nothing holds would be noise: it is not measured."""

from dataclasses import replace

import torch

from glance3d.densification.completion import complete_depth
from glance3d.densification.sources import choose_sources, held_views
from glance3d.types import Cameras, Placement, Reconstruction, SparsePoints


def side_by_side(num_views: int) -> Reconstruction:
    """Cameras a step apart before a wall at depth 4."""
    poses = torch.eye(3, 4).repeat(num_views, 1, 1)
    poses[:, 0, 3] = -0.5 * torch.arange(num_views)
    matrix = torch.tensor([[20.0, 0, 16], [0, 20, 12], [0, 0, 1]]).repeat(num_views, 1, 1)
    names = tuple(f"{view}.jpg" for view in range(num_views))
    return Reconstruction(
        names,
        names,
        (Placement((32, 24), (32, 24)),) * num_views,
        Cameras(poses, matrix, torch.tensor([[32, 24]] * num_views)),
        torch.zeros(num_views, 24, 32, 3, dtype=torch.uint8),
        torch.ones(num_views, 24, 32, dtype=torch.bool),
        depth=torch.full((num_views, 24, 32), 4.0),
    )


def seen_by(views: list[int], num_points: int) -> SparsePoints:
    points = torch.cat([torch.rand(num_points, 2), torch.full((num_points, 1), 4.0)], -1)
    total = num_points * len(views)
    return SparsePoints(
        points,
        torch.zeros(num_points, 3, dtype=torch.uint8),
        torch.tensor(views).repeat_interleave(num_points),
        torch.arange(num_points).repeat(len(views)),
        torch.full((total, 2), 10.0),
    )


def test_without_measured_points_all_cameras_are_believed():
    scene = side_by_side(3)
    assert held_views(scene).all()
    assert choose_sources(scene, 1, 4)


def test_views_without_points_are_no_sources_and_have_none():
    scene = replace(side_by_side(4), sparse=seen_by([0, 1, 2], 20))
    assert held_views(scene).tolist() == [True, True, True, False]
    assert choose_sources(scene, 3, 4) == []
    assert sorted(choose_sources(scene, 1, 4)) == [0, 2]


def test_a_refined_scene_that_nothing_holds_has_no_sources():
    scene = replace(side_by_side(3), sparse=seen_by([0, 1], 0))
    assert not held_views(scene).any()
    assert choose_sources(scene, 0, 4) == []


def test_a_few_measured_pixels_do_not_move_all_others():
    guess = torch.full((40, 50), 2.0)
    measured = torch.full((40, 50), 6.0)
    kept = torch.zeros(40, 50, dtype=torch.bool)
    kept[10, 10] = True
    filled = complete_depth(measured, kept, guess)
    assert filled[10, 10] == 6
    assert float(filled[30, 40]) < 2.2
    kept[:, :25] = True
    filled = complete_depth(measured, kept, guess)
    assert float(filled[30, 40]) > 5.5
