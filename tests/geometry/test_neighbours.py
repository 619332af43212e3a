"""Distances to nearest neighbours against all pairs."""

import numpy as np
import pytest
import torch

from glance3d.geometry.neighbours import neighbour_distances


def by_all_pairs(points, wanted):
    distance = torch.cdist(points.double(), points.double()).fill_diagonal_(torch.inf)
    return distance.topk(wanted, largest=False).values.square().mean(-1).sqrt()


@pytest.mark.parametrize("count", [2, 3, 4, 63, 64, 65, 200, 3000])
def test_as_all_pairs_say(count):
    torch.manual_seed(count)
    points = torch.randn(count, 3) * torch.tensor([1.0, 3.0, 0.05])
    distances, expected = neighbour_distances(points), by_all_pairs(points, min(3, count - 1))
    ratio = (distances / expected).numpy()
    assert (ratio > 1 - 1e-5).all()  # never nearer than the nearest
    assert np.mean(ratio < 1 + 1e-4) > 0.95
    assert ratio.mean() < 1.01


def test_few_and_coinciding_points():
    assert neighbour_distances(torch.zeros(0, 3)).tolist() == []
    assert neighbour_distances(torch.ones(1, 3)).tolist() == [0.0]
    assert neighbour_distances(torch.ones(200, 3)).tolist() == [0.0] * 200
