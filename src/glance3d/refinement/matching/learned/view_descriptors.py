"""A network's descriptors of all photos, and where their cells lie on the originals."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.models import VGGT
from glance3d.multiview.matches import cell_centers
from glance3d.prediction import run_as_planned
from glance3d.types import ImageBatch, Placement

# Of one pass: its time and memory grow with the square. More photos are described in several.
_MOST_VIEWS = 64


@dataclass(frozen=True)
class ViewDescriptors:
    """Unit vectors of the cells of all views, row by row on ``grid`` (rows, columns).

    Scores are ``sharpness`` times a cosine, ``unseen`` is the score of not being there at all.
    ``cell`` is a cell's side in pixels of the network's grid. ``counts`` is False for cells on
    padding or in what a mask leaves out.
    """

    descriptors: Float[Tensor, "views cells dim"]
    counts: Bool[Tensor, "views cells"]
    grid: tuple[int, int]
    sharpness: float
    unseen: float
    cell: float
    placements: tuple[Placement, ...]

    @property
    def num_views(self) -> int:
        """How many photos there are."""
        return len(self.descriptors)

    def to_original(self, view: int, cells: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        """Places on the grid, the first cell's centre at 0, in pixels of the original photo."""
        return self.placements[view].to_original((cells + 0.5) * self.cell)

    def to_cells(self, view: int, pixels: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        """Pixels of an original photo on the grid, the first cell's centre at 0."""
        return self.placements[view].to_processed(pixels) / self.cell - 0.5

    def centres(self, view: int) -> Float[Tensor, "cells 2"]:
        """The middle of every cell in pixels of the original photo."""
        return self.to_original(view, cell_centers(self.grid, torch.device("cpu")))

    def cell_side(self, view: int) -> float:
        """The side of a cell in pixels of the original photo."""
        return self.cell / min(self.placements[view].scale)


def describe_views(network: VGGT, batch: ImageBatch) -> ViewDescriptors:
    """Descriptors of all views by as few passes as possible, on the CPU."""
    head = network.correspondence_head
    assert head is not None
    layer, num_views = head.config.layer, len(batch.names)

    def run(images: Float[Tensor, "views 3 height width"]) -> tuple[Tensor, tuple[int, int]]:
        described = network.describe(network.encode(images[None], (layer,)))
        assert described is not None
        return described.descriptors[0].float().cpu(), described.grid

    num_passes = -(-num_views // _MOST_VIEWS)
    bounds = [num_views * index // num_passes for index in range(num_passes + 1)]
    parts = []
    for start, stop in pairwise(bounds):
        views = batch.of_views(range(start, stop))
        of_views, grid = run_as_planned(network, views, ("camera",), run, keeps_layers=True)
        parts.append(of_views)
    cell = batch.image_size[1] / grid[1]
    return ViewDescriptors(
        torch.cat(parts),
        _cells_that_count(batch, grid, cell),
        grid,
        float(10 * head.sharpness_in_tens.detach()),
        float(10 * head.unseen_in_tens.detach()),
        cell,
        batch.placements,
    )


def _cells_that_count(
    batch: ImageBatch, grid: tuple[int, int], cell: float
) -> Bool[Tensor, "views cells"]:
    """Which cells' middles are in the photo and kept by its mask."""
    x, y = (cell_centers(grid, torch.device("cpu")) * cell + cell / 2).long().unbind(-1)
    return batch.usable_mask.cpu()[:, y, x]
