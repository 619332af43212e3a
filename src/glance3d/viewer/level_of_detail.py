"""Level of detail: draw near points of a large cloud densely, far ones sparsely, within a budget.

The cloud is divided into cells of neighbours (a k-d tree split at medians, so that all cells hold
about as many points). Within a cell the points have a random order, so that every prefix is a
uniform sample. Prefixes grow in layers; a cell that appears large from the camera gets more layers.
This is the idea of Schütz, "Potree: Rendering Large Point Clouds in Web Browsers" (2016), without
its files: everything stays in memory.
"""

import heapq
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Int64

MAX_IN_CELL = 65_536
FIRST_LAYER = 512
_GROWTH = 4  # of a prefix by one more layer: few pieces, with a visible gain from each
# Cells behind the camera stay sparse instead of empty, so that a quick turn shows points.
_UNSEEN = 0.02
_SAMPLE = 1_024  # points tell where a cell lies
_CLOSEST = 0.05  # of a cell's radius: being inside a cell makes it large, not infinite


@dataclass(frozen=True)
class Cells:
    """Cells of neighbouring points.

    ``order`` lists the points cell after cell, each cell's in fair order; cell ``c`` is
    ``order[starts[c]:starts[c + 1]]``. ``centers`` are medians, ``radii`` hold nine tenths of the
    cell's points, so that a stray one does not make it large.
    """

    order: Int64[np.ndarray, " points"]
    starts: Int64[np.ndarray, " cells_and_one"]
    centers: Float[np.ndarray, "cells 3"]
    radii: Float[np.ndarray, " cells"]

    def __len__(self) -> int:
        return len(self.radii)

    def counts(self, keep: Bool[np.ndarray, " points"]) -> Int64[np.ndarray, " cells"]:
        """How many points of each cell are kept; ``keep`` is in ``order``'s order."""
        ends = np.concatenate([[0], np.cumsum(keep)])
        return np.diff(ends[self.starts])


def cut_into_cells(
    points: Float[np.ndarray, "points 3"], max_in_cell: int = MAX_IN_CELL, seed: int = 0
) -> Cells:
    """The cells of a cloud; the same ones on every call."""
    generator = np.random.default_rng(seed)
    parts = _halved(points, np.arange(len(points)), max_in_cell)
    parts = [generator.permutation(part) for part in parts]
    centers, radii = np.zeros((len(parts), 3)), np.zeros(len(parts))
    for index, part in enumerate(parts):
        sample = points[part[:_SAMPLE]].astype(np.float64)
        centers[index] = np.median(sample, 0)
        radii[index] = np.quantile(np.linalg.norm(sample - centers[index], axis=1), 0.9)
    starts = np.cumsum([0, *(len(part) for part in parts)])
    order = np.concatenate([np.zeros(0, np.int64), *parts])
    return Cells(order, starts.astype(np.int64), centers, radii)


def _halved(
    points: Float[np.ndarray, "points 3"], indices: Int[np.ndarray, " part"], max_in_cell: int
) -> list[Int[np.ndarray, "_"]]:
    if len(indices) == 0:
        return []
    if len(indices) <= max_in_cell:
        return [indices]
    sample = points[indices[:: max(1, len(indices) // 4096)]]
    # The axis along which the middle is widest: outliers have no influence.
    low, high = np.quantile(sample, (0.05, 0.95), axis=0)
    along = points[indices, int(np.argmax(high - low))]
    ranked = np.argpartition(along, len(indices) // 2)
    halves = np.split(indices[ranked], [len(indices) // 2])
    return [cell for half in halves for cell in _halved(points, half, max_in_cell)]


def layer_bounds(count: int) -> list[int]:
    """Where the layers of a cell's prefix end: each four times as far, the last at ``count``."""
    bounds, end = [0], FIRST_LAYER
    while bounds[-1] < count:
        # A last layer smaller than half of its step joins the one before it.
        bounds.append(end if end * 1.5 < count else count)
        end *= _GROWTH
    return bounds


def apparent_sizes(
    cells: Cells,
    position: Float[np.ndarray, "3"],
    forward: Float[np.ndarray, "3"],
    half_angle: float,
) -> Float[np.ndarray, " cells"]:
    """How large each cell looks, as a share of the sky, from a camera; less where it is not seen.

    ``half_angle`` (radians) is from ``forward`` to a corner of the picture.
    """
    offset = cells.centers - position
    distance = np.linalg.norm(offset, axis=1)
    radius = np.maximum(cells.radii, 1e-9)
    size = (radius / np.maximum(distance, _CLOSEST * radius)) ** 2
    ahead = offset @ forward / np.maximum(distance, 1e-12)
    angle = np.arccos(np.clip(ahead, -1, 1))
    own_angle = np.arctan2(radius, distance)
    return np.where(angle - own_angle <= half_angle, size, _UNSEEN * size)


def share_budget(
    counts: Int64[np.ndarray, " cells"], weights: Float[np.ndarray, " cells"], budget: int
) -> list[int]:
    """How many layers each cell may show, so that together they hold at most ``budget`` points.

    The next layer goes to the cell that is drawn most thinly for its weight. Every cell with points
    has its first layer, if the budget allows all of them.
    """
    bounds = [layer_bounds(int(count)) for count in counts]
    layers = [0] * len(bounds)
    remaining = budget
    # Negative, because the smallest is taken first; a cell without a layer comes before all others.
    waiting = [(-np.inf, -weight, cell) for cell, weight in enumerate(weights) if counts[cell] > 0]
    heapq.heapify(waiting)
    while waiting:
        _, weight, cell = heapq.heappop(waiting)
        ends = bounds[cell]
        cost = ends[layers[cell] + 1] - ends[layers[cell]]
        if cost > remaining:
            continue
        remaining -= cost
        layers[cell] += 1
        if layers[cell] + 1 < len(ends):
            heapq.heappush(waiting, (weight / ends[layers[cell]], weight, cell))
    return layers
