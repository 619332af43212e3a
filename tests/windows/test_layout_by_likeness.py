"""Windows of photos that are alike: runs where the order tells, groups where it does not."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glance3d.retrieval import photo_likeness
from glance3d.windows import WindowOptions, lay_out
from glance3d.windows.graph.spanning import component_of_windows
from glance3d.windows.layout.lay_out import order_tells
from glance3d.windows.measuring import shared_pairs


def line_of(num: int, seed: int = 0, scenes: int = 1) -> torch.Tensor:
    """Descriptors along a curve of its own for each scene: neighbours are alike."""
    random = torch.Generator().manual_seed(seed)
    parts = []
    for _ in range(scenes):
        frequencies = torch.randn(24, generator=random)
        phases = torch.rand(24, generator=random) * 6.3
        along = torch.linspace(0, 1, num)[:, None] * 3
        own = torch.randn(24, generator=random) * 2
        parts.append(torch.cos(frequencies * along + phases) + own * (scenes > 1))
    return torch.nn.functional.normalize(torch.cat(parts), dim=-1)


def shuffled(descriptors: torch.Tensor, seed: int = 0) -> tuple[torch.Tensor, list[int]]:
    """And where each view was before."""
    order = torch.randperm(len(descriptors), generator=torch.Generator().manual_seed(seed))
    return descriptors[order], order.tolist()


def test_a_walk_is_laid_out_in_runs() -> None:
    likeness = photo_likeness(line_of(30))
    assert order_tells(likeness)
    assert lay_out(30, WindowOptions(8), 3, likeness) == lay_out(30, WindowOptions(8), 3)


def test_shuffled_photos_come_into_windows_with_those_beside_them() -> None:
    mixed, was = shuffled(line_of(40))
    likeness = photo_likeness(mixed)
    assert not order_tells(likeness)
    windows = lay_out(40, WindowOptions(8, 3), 5, likeness)
    assert windows[0][0] == 5
    spans = [max(was[v] for v in window) - min(was[v] for v in window) for window in windows]
    assert sum(spans) / len(spans) < 16  # of 40; eight at random span more than thirty
    assert set(component_of_windows(len(windows), shared_pairs(windows))) == {0}


@pytest.mark.parametrize("mix", [False, True])
def test_two_scenes_are_two_components(mix: bool) -> None:
    descriptors = line_of(15, scenes=2)
    descriptors, was = shuffled(descriptors) if mix else (descriptors, list(range(30)))
    windows = lay_out(30, WindowOptions(6), 2, photo_likeness(descriptors))
    for window in windows:
        assert len({was[view] < 15 for view in window}) == 1
    assert windows[0][0] == 2
    components = component_of_windows(len(windows), shared_pairs(windows))
    assert set(components) == {0, 1}
    assert components == sorted(components)


@given(st.integers(2, 40), st.integers(2, 12), st.integers(0, 39), st.integers(0, 1000))
def test_every_view_is_seen_whatever_is_alike(
    num_views: int, size: int, reference: int, seed: int
) -> None:
    reference %= num_views
    random = torch.Generator().manual_seed(seed)
    likeness = photo_likeness(torch.randn(num_views, 6, generator=random))
    options = WindowOptions(size)
    windows = lay_out(num_views, options, reference, likeness)
    assert windows[0][0] == reference
    assert {view for window in windows for view in window} == set(range(num_views))
    assert all(len(window) == len(set(window)) <= size for window in windows)
    fewest = max(1, num_views // size)
    assert fewest <= len(windows) <= num_views
