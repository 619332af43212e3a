"""Groups of photos that share nothing stay apart, unless a place that both saw joins them."""

import torch
from benchmarks.drawn_walks import HEIGHT, WIDTH, Walk, ring
from benchmarks.simulated_network import SimulatedNetwork

from glance3d.windows import WindowGraph, WindowOptions, lay_out, predict_in_windows
from glance3d.windows.describe import describe_windows, window_warnings

OPTIONS = WindowOptions(10, 3)


def run(network: SimulatedNetwork, likeness: torch.Tensor) -> WindowGraph:
    count = len(network.walk)
    usable = torch.ones(count, HEIGHT, WIDTH, dtype=torch.bool)
    windows = lay_out(count, OPTIONS, 0, likeness)
    return predict_in_windows(network.predict, windows, usable, likeness=likeness)[1]


def two_buildings() -> Walk:
    one, two = ring(0, laps=0.25), ring(1, laps=0.25)
    far = 500.0
    return Walk(
        one.spaces + [(x0 + far, x1 + far, z0, z1) for x0, x1, z0, z1 in two.spaces],
        one.pillars + [(x0 + far, x1 + far, z0, z1) for x0, x1, z0, z1 in two.pillars],
        one.places + [(x + far, z, yaw) for x, z, yaw in two.places],
        one.twin + two.twin,
    )


def test_two_buildings_are_two_components_and_said() -> None:
    walk = two_buildings()
    network = SimulatedNetwork(walk, 0, "fooled")
    half = len(ring(0, laps=0.25))
    likeness = network.likeness().clone()
    likeness[:half, half:] -= 1  # nothing alike ...
    likeness[2, half + 3] = 0.9  # ... but one corner
    likeness = torch.maximum(likeness.triu(), likeness.triu().T)
    likeness[half - 4 : half, half : half + 4] = likeness[half : half + 4, half - 4 : half] = -0.5
    graph = run(network, likeness)
    assert network.lies
    assert graph.component_views() == [[*range(half)], [*range(half, len(walk))]]
    names = [f"{view}.jpg" for view in range(len(walk))]
    described = describe_windows(OPTIONS, graph, names)
    assert described is not None
    assert [len(group) for group in described["components"]] == [half, len(walk) - half]
    assert any(
        "2 groups that share nothing" in text for text in window_warnings(OPTIONS, graph, names)
    )


def test_a_walk_that_was_interrupted_is_joined_where_it_comes_back() -> None:
    network = SimulatedNetwork(ring(0), 0)
    cut = len(network.walk) // 2
    likeness = network.likeness().clone()
    likeness[cut - 4 : cut, cut : cut + 4] = likeness[cut : cut + 4, cut - 4 : cut] = -0.5
    windows = lay_out(len(network.walk), OPTIONS, 0, likeness)
    assert all(max(window) < cut or min(window) >= cut for window in windows)
    graph = run(network, likeness)
    assert set(graph.component) == {0}
    assert any(alignment.loop for alignment in graph.alignments)
