"""What densification is made of: transfers, sources, ranges, agreement, completion."""

from dataclasses import replace

import pytest
import torch

from glance3d.densification.agreement import confirms, without_speckles
from glance3d.densification.completion import complete_depth
from glance3d.densification.sources import choose_sources, inverse_depth_range
from glance3d.densification.views import build_view, plan_grids, warp_between
from glance3d.errors import InputError
from glance3d.geometry.cameras import project_points
from tests.densification.scenes import Patch, build_scene, row_of_cameras, sparse_points


def test_a_warp_goes_where_projection_goes() -> None:
    cameras = row_of_cameras(2, sizes=((20, 16), (24, 14)))
    turned = cameras.cam_from_world.clone()
    turn = torch.tensor([[0.8, 0, 0.6], [0, 1, 0], [-0.6, 0, 0.8]])
    turned[1] = turn @ turned[1]
    cameras = replace(cameras, cam_from_world=turned)
    colors = [torch.zeros(16, 20, 3, dtype=torch.uint8), torch.zeros(14, 24, 3, dtype=torch.uint8)]
    first, second = (build_view(photo, cameras, view) for view, photo in enumerate(colors))
    depth = 2 + torch.rand(16, 20, generator=torch.Generator().manual_seed(0))
    grid, inside = warp_between(first, second).grid((1 / depth)[None])
    points = first.points_world(depth).flatten(0, 1)
    pixels, z = project_points(points, second.cam_from_world, second.intrinsics)
    wanted = (pixels * 2 / torch.tensor([24.0, 14.0]) - 1).view(16, 20, 2)
    torch.testing.assert_close(grid[0], wanted, atol=1e-4, rtol=1e-4)
    assert torch.equal(inside[0], (wanted.abs() <= 1).all(-1) & (z.view(16, 20) > 0))


def test_sources_are_neighbours_at_an_angle_and_never_the_view_itself() -> None:
    cameras = row_of_cameras(7, spacing=0.3)
    scene, _, _ = build_scene([Patch(4.0)], cameras, 4.0)
    chosen = choose_sources(scene, 3, 4)
    assert 3 not in chosen
    assert set(chosen) == {1, 2, 4, 5}


def test_the_range_holds_the_true_depth_and_not_much_more() -> None:
    cameras = row_of_cameras(2)
    scene, _, truth = build_scene([Patch(6.0), Patch(4.0, half=0.8)], cameras, 5.0)
    scene = replace(scene, sparse=sparse_points(cameras, truth))
    far, near = inverse_depth_range(scene, 0)
    assert 1.5 < 1 / near < 4
    assert 6 < 1 / far < 20


def test_without_points_and_depth_nobody_knows_where_to_look() -> None:
    scene, _, _ = build_scene([Patch(4.0)], row_of_cameras(2), 5.0)
    with pytest.raises(InputError, match="neither measured points nor depth"):
        inverse_depth_range(replace(scene, depth=None), 0)


def test_true_depth_is_confirmed_and_wrong_depth_is_not() -> None:
    cameras = row_of_cameras(2)
    _, photos, truth = build_scene([Patch(4.0)], cameras, 4.0)
    first, second = (
        build_view(torch.from_numpy(photo), cameras, view) for view, photo in enumerate(photos)
    )
    seen = confirms(first, truth[0], second, truth[1], max_pixels=0.5, max_ratio=0.01)
    assert seen.float().mean() > 0.85
    for wrong in (truth[0] * 1.1, truth[0] * 0.9, torch.zeros_like(truth[0])):
        assert not confirms(first, wrong, second, truth[1], 0.5, 0.01).any()
    assert not confirms(first, truth[0], second, torch.zeros_like(truth[1]), 0.5, 0.01).any()


def test_speckles_go_and_surfaces_stay() -> None:
    depth = torch.full((40, 40), 2.0)
    depth[30, 30] = 3.0
    kept = torch.zeros(40, 40, dtype=torch.bool)
    kept[:20] = True
    kept[30, 30] = kept[35, 5] = True
    cleaned = without_speckles(depth, kept)
    assert cleaned[2:18, 6:34].all()
    assert not cleaned[20:].any()


def test_the_guess_is_carried_to_the_measured_surface() -> None:
    guess = torch.linspace(1, 2, 32).expand(32, 32).contiguous()
    kept = torch.zeros(32, 32, dtype=torch.bool)
    kept[:, :20] = True
    filled = complete_depth(3 * guess, kept, guess)
    torch.testing.assert_close(filled[kept], 3 * guess[kept])
    assert ((filled / guess)[~kept] - 3).abs().max() < 0.15
    nothing = torch.zeros_like(kept)
    torch.testing.assert_close(complete_depth(3 * guess, nothing, guess), guess)
    assert (complete_depth(3 * guess, nothing, None) == 0).all()


def test_grids_keep_the_shape_and_never_enlarge() -> None:
    grids = plan_grids([(400, 300), (30, 60)], max_pixels=3000)
    assert grids[0].processed_size == grids[1].processed_size == (63, 60)
    assert grids[1].scale == (1.0, 1.0)
    assert grids[0].scale == (63 / 400, 47 / 300)
    with pytest.raises(InputError, match="at least 64"):
        plan_grids([(400, 300)], max_pixels=10)
