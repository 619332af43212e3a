"""Level of detail and percentiles agree with what the exporters keep."""

from dataclasses import replace

import pytest
import torch

from glance3d.exporters.points.point_cloud import confident_pixels
from glance3d.exporters.presentation import confidence_percentiles, level_of_detail_order


def test_every_point_comes_once_and_the_order_is_the_same_again():
    order = level_of_detail_order(1000)
    assert torch.equal(order.sort().values, torch.arange(1000))
    assert torch.equal(order, level_of_detail_order(1000))
    assert not torch.equal(order, level_of_detail_order(1000, seed=1))


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_every_prefix_is_a_fair_sample(share):
    num_points, num_cells = 40_000, 20
    prefix = level_of_detail_order(num_points)[: int(num_points * share)]
    counts = torch.bincount(prefix * num_cells // num_points, minlength=num_cells).double()
    expected = len(prefix) / num_cells
    assert ((counts - expected) ** 2 / expected).sum() < 60  # chi squared of 19 degrees: p < 1e-5


@pytest.mark.parametrize("percentile", [0.0, 10.0, 25.0, 60.0, 99.0])
@pytest.mark.parametrize("measured", [False, True])
def test_above_a_percentile_is_what_exporters_keep(scene, percentile, measured):
    generator = torch.Generator().manual_seed(3)
    confidence = torch.randint(0, 50, scene.mask.shape, generator=generator).float()  # with ties
    which = torch.rand(scene.mask.shape, generator=generator) > 0.4
    scene = replace(scene, confidence=confidence, measured=which if measured else None)
    kept = confident_pixels(scene, percentile)
    assert torch.equal(confidence_percentiles(scene) > percentile, kept)


def test_without_confidence_every_point_is_as_sure(scene):
    percentiles = confidence_percentiles(replace(scene, confidence=None))
    assert bool((percentiles[scene.mask] == 100).all())
    assert bool(percentiles[~scene.mask].isnan().all())
