"""A point cloud in the browser, sent in pieces of cells: coarse first, within a budget."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, UInt8

from glance3d.viewer.clouds import Cloud
from glance3d.viewer.level_of_detail import (
    Cells,
    apparent_sizes,
    cut_into_cells,
    layer_bounds,
    share_budget,
)

if TYPE_CHECKING:
    from viser import PointCloudHandle, ViserServer

# Points of a thinned surface grow to close its holes; beyond this they look like loose squares.
_LARGEST_GROWTH = 3.0
_SIZE_STEP = 1.05  # a change of size that nobody sees is not sent
_FARTHEST = 60_000.0  # float16 ends at 65,504


@dataclass(frozen=True)
class Watcher:
    """A user's camera in the display's world; ``half_angle`` is from the middle to a corner."""

    position: np.ndarray
    forward: np.ndarray
    half_angle: float


@dataclass(frozen=True)
class Choice:
    """Which points of a cloud to show, and how."""

    percentile: float
    budget: int
    point_size: float
    measured_only: bool
    colors: UInt8[np.ndarray, "points 3"]  # in the cells' order


class CloudNodes:
    """Updates a browser's points to the current choice; one instance per cloud.

    A piece is one layer of one cell. Pieces are positioned at their cell's middle, so that half
    precision, which is sent, is precise where the points are dense.
    """

    def __init__(self, server: "ViserServer", name: str, cloud: Cloud) -> None:
        self.cells = cut_into_cells(cloud.points)
        self.cloud = cloud.reordered(self.cells.order)
        self.num_shown = 0
        self.num_kept = len(cloud)
        self._server = server
        self._name = name
        self._sizes, self._overlaps = _cell_sizes(self.cells, self.cloud)
        self._sent: dict[tuple[int, int], tuple[PointCloudHandle, int]] = {}
        self._edition = 0
        self._choice: Choice | None = None
        self._kept = np.ones(len(cloud), bool)

    def update(
        self,
        choice: Choice,
        watchers: list[Watcher],
        is_stale: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Send missing pieces, coarse layers first, then remove superfluous ones.

        Returns False when ``is_stale`` became true between two pieces; the next call continues
        from there.
        """
        self._take(choice)
        counts = self.cells.counts(self._kept)
        self.num_kept = int(counts.sum())
        layers = share_budget(counts, self._weights(counts, watchers), choice.budget)
        bounds = [layer_bounds(int(count)) for count in counts]
        shown = [bounds[cell][number] for cell, number in enumerate(layers)]
        wanted = [(layer, cell) for cell, number in enumerate(layers) for layer in range(number)]
        for layer, cell in sorted(wanted):
            if is_stale():
                return False
            size = self._point_size(choice, cell, int(counts[cell]), shown[cell])
            self._send(cell, layer, bounds[cell][layer : layer + 2], size)
        for cell, layer in [*self._sent]:
            if layer >= layers[cell]:
                self._sent.pop((cell, layer))[0].remove()
        self.num_shown = sum(shown)
        return True

    def clear(self) -> None:
        """Remove the cloud from the screen."""
        for handle, _ in self._sent.values():
            handle.remove()
        self._sent.clear()
        self.num_shown = 0

    def _take(self, choice: Choice) -> None:
        """A new edition, where the points or colours themselves have changed."""
        old, self._choice = self._choice, choice
        same_points = old is not None and (
            (old.percentile, old.measured_only) == (choice.percentile, choice.measured_only)
        )
        if old is not None and same_points and old.colors is choice.colors:
            return
        self._edition += 1
        self._kept = keep_points(self.cloud, choice.percentile, choice.measured_only)

    def _weights(self, counts: np.ndarray, watchers: list[Watcher]) -> np.ndarray:
        if not watchers:
            return counts.astype(np.float64)
        sizes = [
            apparent_sizes(self.cells, watcher.position, watcher.forward, watcher.half_angle)
            for watcher in watchers
        ]
        return np.max(sizes, axis=0)

    def _point_size(self, choice: Choice, cell: int, count: int, shown: int) -> float:
        # Where many photos see a surface, a share of its points already closes it.
        thinned = count / max(shown, 1) / self._overlaps[cell]
        growth = np.clip(np.sqrt(thinned), 1.0, _LARGEST_GROWTH)
        return float(self._sizes[cell] * growth * choice.point_size)

    def _send(self, cell: int, layer: int, ends: list[int], point_size: float) -> None:
        sent, edition = self._sent.get((cell, layer), (None, -1))
        if sent is not None and edition == self._edition:
            if not 1 / _SIZE_STEP < sent.point_size / point_size < _SIZE_STEP:
                sent.point_size = point_size
            return
        assert self._choice is not None
        start, end = self.cells.starts[cell : cell + 2]
        at = start + np.flatnonzero(self._kept[start:end])[ends[0] : ends[1]]
        offsets = np.clip(self.cloud.points[at] - self.cells.centers[cell], -_FARTHEST, _FARTHEST)
        handle = self._server.scene.add_point_cloud(
            f"{self._name}/cell_{cell}/layer_{layer}",
            offsets,
            self._choice.colors[at],
            point_size=point_size,
            point_shape="circle",
            point_shading="flat",
            precision="float16",
            position=self.cells.centers[cell],
        )
        self._sent[cell, layer] = handle, self._edition


def keep_points(
    cloud: Cloud, percentile: float, measured_only: bool
) -> Bool[np.ndarray, " points"]:
    """Which points are certain enough."""
    keep = cloud.ranks > percentile
    return keep & cloud.measured if measured_only and cloud.measured is not None else keep


def _cell_sizes(cells: Cells, cloud: Cloud) -> tuple[np.ndarray, np.ndarray]:
    """How large a pixel is in each cell, and how many photos see what lies there."""
    sizes, overlaps = np.zeros(len(cells)), np.ones(len(cells))
    for cell, start in enumerate(cells.starts[:-1]):
        sample = slice(start, min(start + 1024, cells.starts[cell + 1]))
        sizes[cell] = np.median(cloud.footprints[sample])
        shares = np.bincount(cloud.views[sample]) / max(sample.stop - start, 1)
        # The inverse of Simpson's index: as many photos as if all gave as many points.
        overlaps[cell] = 1 / (shares**2).sum()
    return sizes, overlaps
