"""Frames of windows from measured edges: exact, robust, and sure of what may still fit."""

import math

import numpy as np
import pytest
import torch

from glance3d.geometry.rotations import rotation_angle, so3_exp
from glance3d.geometry.similarity import Similarity, identity_similarity
from glance3d.windows.graph.edges import EdgeNoise, WindowEdge
from glance3d.windows.graph.pose_graph import INLIER_CHI2, solve_pose_graph
from glance3d.windows.graph.residuals import EdgeArrays, Frames, linearise

NOISE = EdgeNoise(0.02, 0.03, 0.05)


def drawn(random: torch.Generator, size: float = 1.0) -> Similarity:
    vector, shift, scale = torch.randn(7, generator=random, dtype=torch.float64).split([3, 3, 1])
    rotation = so3_exp(size * vector)
    return Similarity(math.exp(0.5 * size * float(scale)), rotation, 2 * size * shift)


def edge_between(
    worlds: list[Similarity], first: int, second: int, error: Similarity | None = None, **changes
) -> WindowEdge:
    relative = worlds[first].inverse().compose(worlds[second])
    relative = relative.compose(error or identity_similarity())
    anchor = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)
    return WindowEdge(first, second, relative, anchor, 2.0, NOISE, **changes)


def worlds_of(num: int) -> list[Similarity]:
    random = torch.Generator().manual_seed(3)
    return [identity_similarity(), *(drawn(random) for _ in range(num - 1))]


def largest_error(found: tuple[Similarity, ...], true: list[Similarity]) -> float:
    errors = [
        max(
            float(rotation_angle(a.rotation, b.rotation)),
            float((a.translation - b.translation).norm()),
            abs(math.log(a.scale / b.scale)),
        )
        for a, b in zip(found, true, strict=True)
    ]
    return max(errors)


def test_derivatives_are_those_of_the_residuals() -> None:
    worlds = worlds_of(2)
    random = torch.Generator().manual_seed(0)
    arrays = EdgeArrays.of([edge_between(worlds, 0, 1, drawn(random, 0.3))])
    frames = Frames.of(worlds)
    residual, to_first, to_second = linearise(frames, arrays)
    for window, derivative in enumerate((to_first, to_second)):
        for axis in range(7):
            step = np.zeros((2, 7))
            step[window, axis] = 1e-6
            there, back = (linearise(frames.moved(s), arrays)[0] for s in (step, -step))
            numeric = (there - back)[0] / 2e-6
            assert numeric == pytest.approx(
                derivative[0, :, axis], abs=2e-4 * np.abs(residual).max()
            )


def test_a_chain_is_what_its_edges_say() -> None:
    worlds = worlds_of(5)
    edges = [edge_between(worlds, index, index + 1) for index in range(4)]
    solved = solve_pose_graph(5, edges)
    assert largest_error(solved.world_from_window, worlds) < 1e-9
    assert solved.weights.tolist() == [1.0] * 4


def test_wrong_edges_are_not_believed() -> None:
    worlds = worlds_of(8)
    random = torch.Generator().manual_seed(1)
    edges = [edge_between(worlds, i, j) for i in range(8) for j in range(i + 1, min(i + 4, 8))]
    wrong = [edge_between(worlds, i, i + 5, drawn(random), loop=True) for i in range(2)]
    solved = solve_pose_graph(8, [*edges, *wrong])
    assert largest_error(solved.world_from_window, worlds) < 1e-3
    assert solved.weights[: len(edges)].min() > 0.99
    assert solved.weights[len(edges) :].max() < 0.05


def test_a_loop_spreads_its_gap_over_the_chain() -> None:
    """Forty windows in a circle, each edge off by the same: closed, nearly all of it is gone."""
    num = 40
    turn = torch.tensor([0.0, 2 * math.pi / num, 0.0], dtype=torch.float64)
    step = Similarity(1.0, so3_exp(turn), torch.tensor([0.0, 0.0, 1.0]).double())
    worlds = [identity_similarity()]
    for _ in range(num - 1):
        worlds.append(worlds[-1].compose(step))
    wrong = torch.tensor([0.0, 0.008, 0.0], dtype=torch.float64)
    drift = Similarity(1.01, so3_exp(wrong), torch.zeros(3).double())
    chain = [edge_between(worlds, i, i + 1, drift) for i in range(num - 1)]
    before = solve_pose_graph(num, chain)
    loop = edge_between(worlds, 0, num - 1, loop=True)
    assert before.gap(loop) < INLIER_CHI2  # what drift of this size allows
    after = solve_pose_graph(num, [*chain, loop])

    def off(found: tuple[Similarity, ...]) -> float:
        ends = zip(found, worlds, strict=True)
        return max(float((one.translation - two.translation).norm()) for one, two in ends)

    assert off(after.world_from_window) < off(before.world_from_window) / 8
    assert after.weights[-1] > 0.9
    opposite = edge_between(worlds, 0, num // 2, worlds[num // 2].inverse(), loop=True)
    assert before.gap(opposite) > 3 * INLIER_CHI2


def test_components_keep_worlds_of_their_own() -> None:
    worlds = worlds_of(5)
    edges = [edge_between(worlds, 0, 1), edge_between(worlds, 2, 4), edge_between(worlds, 3, 4)]
    solved = solve_pose_graph(5, edges)
    found = solved.world_from_window
    assert solved.fixed == {0, 2}
    for root in (0, 2):
        assert torch.equal(found[root].rotation, torch.eye(3, dtype=torch.float64))
    expected = worlds[2].inverse().compose(worlds[3])
    assert largest_error((found[3],), [expected]) < 1e-9
