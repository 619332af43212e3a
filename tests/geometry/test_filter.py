"""What to keep of a point cloud."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glance3d.errors import InputError
from glance3d.geometry.filter import (
    kth_smallest,
    most_confident,
    picked,
    seen_by_depth,
    spread_sample,
    usable_depth,
)


def test_usable_depth_is_finite_and_in_front():
    depth = torch.tensor([1.0, 0.0, -1.0, torch.nan, torch.inf])
    assert usable_depth(depth).tolist() == [True, False, False, False, False]


@given(st.integers(1, 60), st.floats(0, 99.9), st.integers(0, 3))
def test_the_least_confident_share_goes(num_items, percentile, seed):
    confidence = torch.randperm(num_items, generator=torch.Generator().manual_seed(seed)).float()
    kept = most_confident(confidence, torch.ones(num_items, dtype=torch.bool), percentile)
    assert sorted(confidence[kept].tolist()) == list(
        range(int(num_items * percentile / 100), num_items)
    )


def test_only_valid_and_finite_entries_are_ranked_and_kept():
    confidence = torch.tensor([[1.0, 2.0, 3.0], [torch.nan, 4.0, 0.0]])
    valid = torch.tensor([[True, True, True], [True, True, False]])
    assert most_confident(confidence, valid, 25.0).tolist() == [
        [False, True, True],
        [False, True, False],
    ]


def test_a_constant_confidence_keeps_everything():
    assert most_confident(torch.ones(10), torch.ones(10, dtype=torch.bool), 90.0).all()


def test_nothing_valid_keeps_nothing():
    assert not most_confident(torch.ones(4), torch.zeros(4, dtype=torch.bool), 50.0).any()


@pytest.mark.parametrize("percentile", [-1.0, 100.0])
def test_a_percentile_outside_its_range_is_refused(percentile):
    with pytest.raises(InputError, match="percentile"):
        most_confident(torch.ones(4), torch.ones(4, dtype=torch.bool), percentile)


def test_a_sample_is_spread_repeatable_and_never_larger():
    assert spread_sample(5, 9).tolist() == [0, 1, 2, 3, 4]
    sample = spread_sample(10_000, 500)
    assert torch.equal(sample, spread_sample(10_000, 500))
    assert len(sample.unique()) == 500
    assert torch.equal(sample, sample.sort().values)
    assert (torch.bincount(sample // 1000, minlength=10) > 20).all()


def test_a_view_sees_points_on_its_surface_alone():
    depth = torch.full((4, 6), 2.0)
    depth[0, 0] = torch.nan
    pose = torch.eye(3, 4)
    intrinsics = torch.tensor([[2.0, 0, 3], [0, 2, 2], [0, 0, 1]])
    points = torch.tensor(
        [
            [0.0, 0, 2.01],  # on it
            [0.0, 0, 3.0],  # behind
            [0.0, 0, 1.0],  # before
            [0.0, 0, -2.0],  # behind the camera
            [9.0, 0, 2.0],  # outside the picture
            [-2.9, -1.9, 2.0],  # where the depth is unknown
        ]
    )
    seen, pixels = seen_by_depth(points, depth, pose, intrinsics, 0.02)
    assert seen.tolist() == [True, False, False, False, False, False]
    assert pixels[0].tolist() == [3.0, 2.0]


def test_what_is_preferred_goes_last():
    confidence = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])
    valid = torch.tensor([True] * 7 + [False])
    preferred = torch.tensor([True, True, True, True, False, False, False, True])
    kept = [most_confident(confidence, valid, p, preferred).tolist() for p in (0.0, 30.0, 72.0)]
    assert kept[0] == valid.tolist()
    assert kept[1] == [True] * 4 + [False, False, True, False]
    assert kept[2] == [False, False, True, True] + [False] * 4


def test_picking_and_ranking_without_indices() -> None:
    random = torch.Generator().manual_seed(0)
    values = torch.randn(3, 40, 50, generator=random)
    where = torch.rand(values.shape, generator=random) < 0.7
    chosen = picked(values, where)
    assert torch.equal(chosen, values[where])
    for index in (0, 17, len(chosen) - 1):
        expected = values[where].kthvalue(index + 1).values.item()
        assert kth_smallest(picked(values, where), index) == expected
