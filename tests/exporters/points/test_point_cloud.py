"""Which pixels become points, once refinement has said which of them hold."""

from dataclasses import replace

import torch

from glance3d.exporters import export
from glance3d.exporters.points.point_cloud import confident_pixels, select_points, to_processed
from glance3d.exporters.points.sparse_points import select_sparse_points
from tests.exporters.analytic import GRID


def half(scene, right: bool):
    """True on one half of every grid."""
    return ((torch.arange(GRID) >= GRID // 2) == right).expand(scene.mask.shape)


def test_contradicted_pixels_are_never_points(scene):
    scene = replace(scene, consistent=half(scene, right=True))
    kept = confident_pixels(scene, 0.0)
    assert torch.equal(kept, scene.mask & scene.consistent)
    assert not (confident_pixels(scene, 40.0) & ~scene.consistent).any()
    sparse = select_sparse_points(scene, 25.0, 5000, 0.02)
    for view, placement in enumerate(scene.placements):
        pixels = sparse.pixels_original[sparse.view_indices == view]
        assert (placement.to_processed(pixels)[:, 0] > GRID // 2 - 1e-6).all()


def test_guessed_depth_goes_before_measured_depth(scene):
    measured = half(scene, right=False)
    scene = replace(scene, measured=measured)
    kept = confident_pixels(scene, 25.0)
    assert (kept[measured] == scene.mask[measured]).all()
    guessed = kept & ~measured
    assert 0 < guessed.sum() < (scene.mask & ~measured).sum()
    dropped = scene.mask & ~kept
    assert scene.confidence[dropped].max() <= scene.confidence[guessed].min()
    share = dropped.sum() / scene.mask.sum()
    torch.testing.assert_close(share, torch.tensor(0.25), atol=1e-3, rtol=0)


def test_a_budget_is_spent_on_measured_points_first(scene):
    measured = half(scene, right=False)
    scene = replace(scene, measured=measured)
    num_measured = int((scene.mask & measured).sum())
    for max_points in (num_measured // 2, num_measured + 100):
        cloud = select_points(scene, 0.0, max_points)
        assert len(cloud) == max_points
        processed = to_processed(cloud.pixels_original, scene.placements, cloud.view_indices)
        on_left = (processed[:, 0] < GRID // 2).sum()
        assert on_left == min(max_points, num_measured)


def test_measured_points_alone_on_request(scene, tmp_path):
    measured = half(scene, right=False)
    kept = confident_pixels(replace(scene, measured=measured), 0.0, measured_only=True)
    assert torch.equal(kept, scene.mask & measured)
    sizes = [
        export(made, tmp_path / "p.ply", measured_only=only)[0].stat().st_size
        for made in (scene, replace(scene, measured=measured))
        for only in (False, True)
    ]
    assert sizes[0] == sizes[1] == sizes[2] > sizes[3]
