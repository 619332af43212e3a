"""One similarity for each window from what was measured between windows, some of it wrong.

Maximum likelihood over all edges at once (Lu and Milios 1997; for similarities Strasdat et al.,
"Scale drift-aware large scale monocular SLAM", RSS 2010), robust by Geman and McClure's kernel,
which is sharpened step by step from a convex start (graduated non-convexity: Yang et al., RA-L
2020). Sparse normal equations, so that hundreds of windows take a moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu

from glance3d.geometry.similarity import Similarity
from glance3d.windows.graph.edges import WindowEdge
from glance3d.windows.graph.residuals import EdgeArrays, Frames, linearise
from glance3d.windows.graph.spanning import (
    chain_frames,
    component_of_windows,
    component_roots,
)

#: 99 % of the squared residuals of seven numbers with the stated noise are smaller.
INLIER_CHI2 = 18.48
#: Between windows that share views relative scale is never off by much more (logarithm): a prior
#: that stays also where an edge is not believed.
SCALE_PRIOR = 0.3
_SHARPENING = 1.4  # of the kernel, a step (Yang et al. 2020)
_MAX_STEPS = 100
_SETTLED = 1e-8  # of a step's largest number: radians, units, logarithm
_FINAL_STEPS = 20
_DAMPING = 1e-9


@dataclass(frozen=True)
class SolvedGraph:
    """``world_from_window`` of every window, and how far each edge is believed (0 to 1).

    Every component's first window is its world.
    """

    edges: tuple[WindowEdge, ...]
    frames: Frames
    weights: Float[np.ndarray, " edges"]
    fixed: frozenset[int]

    @property
    def world_from_window(self) -> tuple[Similarity, ...]:
        """One for each window."""
        return self.frames.similarities()

    def gap(self, edge: WindowEdge) -> float | None:
        """The squared distance of a further edge from what the graph expects, by its covariance.

        Chi-squared with seven degrees of freedom, if both are right. None between components: the
        graph expects nothing.
        """
        if self._component[edge.first] != self._component[edge.second]:
            return None
        residual, to_first, to_second = linearise(self.frames, EdgeArrays.of([edge]))
        columns = _columns(edge.first), _columns(edge.second)
        jacobian = np.zeros((7, 7 * len(self.frames)))
        jacobian[:, columns[0]], jacobian[:, columns[1]] = to_first[0], to_second[0]
        free = jacobian[:, self._free]
        covariance = free @ self._information.solve(free.T) + np.eye(7)
        return float(residual[0] @ np.linalg.solve(covariance, residual[0]))

    @cached_property
    def _component(self) -> list[int]:
        pairs = [(edge.first, edge.second) for edge in self.edges]
        return component_of_windows(len(self.frames), pairs)

    @property
    def _free(self) -> np.ndarray:
        fixed = np.isin(np.arange(len(self.frames)), list(self.fixed))
        return np.repeat(~fixed, 7)

    @cached_property
    def _information(self) -> SuperLU:
        arrays = EdgeArrays.of(self.edges)
        return splu(_normal_equations(self.frames, arrays, self.weights, self._free)[0])


def solve_pose_graph(
    num_windows: int, edges: Sequence[WindowEdge], start: SolvedGraph | None = None
) -> SolvedGraph:
    """The most likely frames. ``start``: from these instead of from the surest tree."""
    roots = component_roots(num_windows, edges)
    frames = chain_frames(num_windows, edges, roots) if start is None else start.frames
    graph = SolvedGraph(tuple(edges), frames, np.ones(len(edges)), frozenset(roots))
    if len(edges) == num_windows - len(roots):  # a tree: every edge is as it was measured
        return graph
    arrays = EdgeArrays.of(edges)
    squared = (linearise(frames, arrays)[0] ** 2).sum(-1)
    control = max(1.0, 2 * float(squared.max()) / INLIER_CHI2)
    left = _FINAL_STEPS
    for _ in range(_MAX_STEPS):
        squared = (linearise(frames, arrays)[0] ** 2).sum(-1)
        width = control * INLIER_CHI2
        weights = (width / (squared + width)) ** 2
        frames, moved = _step(frames, arrays, weights, graph._free)
        graph = replace(graph, frames=frames, weights=weights)
        left -= control == 1.0
        if control == 1.0 and (moved < _SETTLED or left == 0):
            break
        control = max(1.0, control / _SHARPENING)
    return graph


def _step(
    frames: Frames, arrays: EdgeArrays, weights: Float[np.ndarray, " edges"], free: np.ndarray
) -> tuple[Frames, float]:
    """One step of Gauss and Newton with these weights, and its largest number."""
    information, gradient = _normal_equations(frames, arrays, weights, free)
    step = np.zeros(7 * len(frames))
    step[free] = -splu(information).solve(gradient)
    return frames.moved(step.reshape(-1, 7)), float(np.abs(step).max())


def _normal_equations(
    frames: Frames, arrays: EdgeArrays, weights: Float[np.ndarray, " edges"], free: np.ndarray
) -> tuple[sparse.csc_matrix, np.ndarray]:
    """J^T W J and J^T W r of all free windows; the prior on scale adds a row an edge."""
    residual, to_first, to_second = linearise(frames, arrays)
    root = np.sqrt(weights)[:, None]
    prior = np.where(arrays.loop, 0.0, arrays.noise[:, 6] / SCALE_PRIOR)[:, None]
    residual = np.concatenate([residual * root, residual[:, 6:] * prior], 1)  # [E,8]
    blocks = [
        np.concatenate([block * root[:, None], block[:, 6:] * prior[:, None]], 1)  # [E,8,7]
        for block in (to_first, to_second)
    ]
    num_edges = len(weights)
    rows = np.arange(8 * num_edges).reshape(num_edges, 8, 1).repeat(7, 2)
    columns = [
        (7 * windows[:, None, None] + np.arange(7)).repeat(8, 1)
        for windows in (arrays.first, arrays.second)
    ]
    jacobian = sparse.csc_matrix(
        (
            np.concatenate([block.ravel() for block in blocks]),
            (np.tile(rows.ravel(), 2), np.concatenate([column.ravel() for column in columns])),
        ),
        shape=(8 * num_edges, 7 * len(frames)),
    )[:, free]
    transposed: sparse.csr_matrix = jacobian.T  # pyrefly: ignore
    information = transposed @ jacobian
    damping = _DAMPING * (1 + information.diagonal())
    return (information + sparse.diags(damping)).tocsc(), transposed @ residual.ravel()


def _columns(window: int) -> slice:
    return slice(7 * window, 7 * window + 7)
