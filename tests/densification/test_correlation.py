"""Correlation and smoothing against their slow twins."""

import numpy as np
import pytest
import torch

from glance3d.densification.adaptive_windows import AdaptiveWindows
from glance3d.densification.correlation import NOISE, Windows, window_mean
from glance3d.densification.smoothing import smooth_costs
from glance3d.densification.surface import parabola_offset
from tests.reference import slow_correlation

CORNERS_AND_MIDDLE = ((0, 0), (0, 12), (8, 0), (8, 12), (4, 6), (1, 11))


def two_images() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    first = torch.rand(9, 13, generator=generator) - 0.5
    return first, 0.6 * first + 0.2 * torch.rand(9, 13, generator=generator)


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 4])
def test_window_means_are_those_of_a_padded_convolution(radius: int) -> None:
    image, _ = two_images()
    padded = torch.nn.functional.pad(image[None, None], (radius,) * 4, mode="replicate")
    wanted = torch.nn.functional.avg_pool2d(padded, 2 * radius + 1, 1)[0, 0]
    torch.testing.assert_close(window_mean(image, radius), wanted)


@pytest.mark.parametrize("radius", [1, 2, 4])
def test_correlation_equals_the_slow_twin(radius: int) -> None:
    first, second = two_images()
    correlation = Windows.of(first, radius).correlate(second[None])[0]
    for y, x in CORNERS_AND_MIDDLE:
        wanted = slow_correlation.correlation(first.numpy(), second.numpy(), y, x, radius, 1, NOISE)
        assert float(correlation[y, x]) == pytest.approx(wanted, abs=1e-4)


def test_adaptive_correlation_equals_the_slow_twin() -> None:
    first, second = two_images()
    correlation = AdaptiveWindows.of(first).correlate(second[None])[0]
    for y, x in CORNERS_AND_MIDDLE:
        wanted = slow_correlation.adaptive_correlation(
            first.numpy(), second.numpy(), y, x, 4, 2, NOISE, grey=0.05, distance=4.0
        )
        assert float(correlation[y, x]) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("kind", [lambda image: Windows.of(image, 2), AdaptiveWindows.of])
def test_gain_and_offset_change_nothing_and_flat_windows_say_nothing(kind) -> None:
    first, _ = two_images()
    # Not quite 1: weights leave adaptive windows on noise with little contrast beside NOISE.
    assert (kind(first).correlate(first[None] * 0.5 + 0.1) > 0.8).all()
    assert (kind(first).correlate(-first[None]) < -0.9).all()
    flat = torch.full_like(first, 0.3)
    assert (kind(first).correlate(flat[None]).abs() < 0.02).all()


def test_smoothing_equals_the_slow_twin() -> None:
    generator = torch.Generator().manual_seed(1)
    costs = torch.rand(6, 7, 5, generator=generator)
    guide = torch.rand(6, 7, generator=generator)
    smoothed = smooth_costs(costs, guide, small_step=0.1, large_step=0.4, edge=0.3)
    wanted = slow_correlation.smoothed(
        costs.double().numpy(), guide.double().numpy(), small=0.1, large=0.4, edge=0.3
    )
    np.testing.assert_allclose(smoothed.numpy(), wanted, atol=1e-5)


def test_a_parabola_is_lowest_where_it_says() -> None:
    bottom = torch.tensor([-0.4, 0.0, 0.3])
    costs = [(step - bottom) ** 2 for step in (-1.0, 0.0, 1.0)]
    torch.testing.assert_close(parabola_offset(*costs), bottom)
    level = torch.ones(3)
    assert (parabola_offset(level, level, level) == 0).all()
