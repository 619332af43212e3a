"""What a browser is given of a large cloud."""

from itertools import pairwise

import numpy as np
import pytest

from glance3d.viewer.level_of_detail import (
    FIRST_LAYER,
    apparent_sizes,
    cut_into_cells,
    layer_bounds,
    share_budget,
)


@pytest.fixture(scope="module")
def cloud() -> np.ndarray:
    generator = np.random.default_rng(0)
    cluster = generator.normal((5, 0, 0), 0.1, (30_000, 3))
    return np.concatenate([generator.uniform(-1, 1, (60_000, 3)), cluster, [[1e5, 0, 0]]]).astype(
        np.float32
    )


def test_cells_hold_every_point_once_and_are_even(cloud):
    cells = cut_into_cells(cloud, max_in_cell=8_000)
    assert np.array_equal(np.sort(cells.order), np.arange(len(cloud)))
    sizes = np.diff(cells.starts)
    assert sizes.max() <= 8_000
    assert sizes.min() >= 4_000 - 1
    assert np.array_equal(cells.order, cut_into_cells(cloud, max_in_cell=8_000).order)


def test_cells_are_neighbourhoods_and_a_stray_point_does_not_widen_them(cloud):
    cells = cut_into_cells(cloud, max_in_cell=8_000)
    assert cells.radii.max() < 5  # the stray point is 1e5 away
    whole = cut_into_cells(cloud, max_in_cell=10**6)
    assert len(whole) == 1
    assert np.median(cells.radii) < 0.5 * whole.radii[0]


def test_a_prefix_of_a_cell_is_a_fair_sample_of_it(cloud):
    cells = cut_into_cells(cloud[:60_000], max_in_cell=10**6)
    prefix = cloud[cells.order[:6_000]]
    counts = np.histogram(prefix[:, 1], bins=10, range=(-1, 1))[0]
    assert ((counts - 600) ** 2 / 600).sum() < 35  # chi squared of 9 degrees: p < 1e-4


def test_no_points_make_no_cells():
    cells = cut_into_cells(np.zeros((0, 3), np.float32))
    assert len(cells) == 0
    assert share_budget(cells.counts(np.zeros(0, bool)), np.zeros(0), 100) == []


@pytest.mark.parametrize("count", [0, 1, FIRST_LAYER, FIRST_LAYER + 1, 5_000, 65_536])
def test_layers_grow_and_end_with_the_last_point(count):
    bounds = layer_bounds(count)
    assert bounds[0] == 0
    assert bounds[-1] == count
    steps = np.diff(bounds)
    assert (steps > 0).all()
    assert all(later <= 6 * earlier for earlier, later in pairwise(bounds[1:]))


@pytest.mark.parametrize("budget", [0, 500, 20_000, 70_000, 10**6])
def test_the_budget_is_kept_and_used(budget):
    counts = np.array([10_000, 20_000, 0, 40_000])
    layers = share_budget(counts, np.ones(4), budget)
    shown = sum(layer_bounds(int(c))[n] for c, n in zip(counts, layers, strict=True))
    assert shown <= budget
    assert shown == counts.sum() if budget >= counts.sum() else shown >= 0.25 * budget - FIRST_LAYER


def test_every_cell_is_seen_before_one_is_seen_well():
    layers = share_budget(np.full(10, 50_000), np.array([1e6] + [1.0] * 9), 10 * FIRST_LAYER)
    assert layers == [1] * 10


def test_what_is_near_is_dense_and_what_is_behind_is_not():
    # Four groups of one size: halving twice tells them apart, whatever order it leaves in them.
    points = np.concatenate(
        [np.random.default_rng(1).normal((0, 0, z), 0.2, (15_000, 3)) for z in (-3, -30, 3, 30)]
    ).astype(np.float32)
    cells = cut_into_cells(points, max_in_cell=15_000)
    assert len(cells.centers) == 4
    near, far, behind = (int(np.abs(cells.centers[:, 2] - z).argmin()) for z in (-3, -30, 3))
    sizes = apparent_sizes(cells, np.zeros(3), np.array([0.0, 0, -1]), half_angle=0.5)
    assert sizes[near] > 20 * sizes[far]
    assert sizes[near] > 20 * sizes[behind] > 0
    counts = cells.counts(np.ones(len(points), bool))
    layers = share_budget(counts, sizes, 24_000)
    assert layers[near] > max(layers[far], layers[behind]) > 0
