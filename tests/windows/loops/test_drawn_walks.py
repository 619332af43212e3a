"""A true loop is closed; two equal rooms are not taken for one. By a simulated network."""

import pytest
import torch
from benchmarks.drawn_walks import HEIGHT, WIDTH, Walk, ring, twins
from benchmarks.simulated_network import SimulatedNetwork

from glance3d.geometry.cameras import camera_centers
from glance3d.geometry.similarity import estimate_similarity
from glance3d.types import Predictions
from glance3d.windows import MemoryStore, WindowOptions, lay_out, predict_in_windows
from glance3d.windows.describe import describe_windows, window_warnings

OPTIONS = WindowOptions(10, 3)


def run(network: SimulatedNetwork, store: MemoryStore, *, loops: bool = True):
    walk = network.walk
    usable = torch.ones(len(walk), HEIGHT, WIDTH, dtype=torch.bool)
    likeness = network.likeness() if loops else None
    windows = lay_out(len(walk), OPTIONS)
    return predict_in_windows(network.predict, windows, usable, store=store, likeness=likeness)


def trajectory_error(predictions: Predictions, walk: Walk) -> float:
    found = camera_centers(predictions.cameras()[0][0].double())
    true = camera_centers(walk.cam_from_world())
    moved = estimate_similarity(found, true).transform_points(found)
    return float((moved - true).norm(dim=-1).square().mean().sqrt())


def test_a_true_loop_is_closed() -> None:
    walk = ring(0)
    network, store = SimulatedNetwork(walk, 0), MemoryStore()
    chain, _ = run(network, store, loops=False)
    closed, graph = run(network, store)
    assert trajectory_error(closed, walk) < trajectory_error(chain, walk) / 2
    assert any(not verdict.reasons for verdict in graph.loops)
    names = [f"{view}.jpg" for view in range(len(walk))]
    described = describe_windows(OPTIONS, graph, names)
    assert described is not None
    assert [join["kind"] for join in described["joins"]].count("loop") == sum(
        loop["accepted"] for loop in described["loops"]
    )
    assert "likely loops were closed" in window_warnings(OPTIONS, graph, names)[0]


@pytest.mark.parametrize(
    ("seed", "tempted"),
    [
        (0, "fooled"),
        pytest.param(1, "muddled", marks=pytest.mark.long),
        pytest.param(2, "unsure", marks=pytest.mark.long),
    ],
)
def test_rooms_that_look_alike_are_not_joined(seed: int, tempted) -> None:
    network = SimulatedNetwork(twins(seed), seed, tempted)
    _, graph = run(network, MemoryStore())
    assert network.lies  # it was tempted, and would have joined them
    refused = [verdict for verdict in graph.loops if verdict.reasons]
    assert refused
    for alignment in graph.alignments:
        assert frozenset(alignment.shared) not in network.lies
