"""Query points to track: pixels of any photo, or a grid over one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.errors import InputError
from glance3d.images.naming.view_names import ViewName, find_view
from glance3d.images.query_points import refuse_masked
from glance3d.types import ImageBatch, Masks, Placement, Reconstruction

Query = Sequence[Any]  # (view, x, y)

_MOST_GRID_POINTS = 512


@dataclass(frozen=True)
class PointsToTrack:
    """Queries ``(view, x, y)``, or a grid of so many points along the longer side of one photo.

    Raises:
        InputError: both are given, or neither.
    """

    queries: Sequence[Query] | None = None
    grid: int | None = None
    grid_view: ViewName = 0

    def __post_init__(self) -> None:
        """Refuse both, and neither."""
        if (self.queries is None) == (self.grid is None):
            raise InputError("give either queries (view, x, y) or a grid, and not both")

    def place(
        self, photos: Reconstruction | ImageBatch
    ) -> tuple[Int[Tensor, " queries"], Float[Tensor, "queries 2"]]:
        """The number of each point's view, and its pixel in that original photo.

        Raises:
            InputError: as :func:`place_queries` and :func:`place_grid`.
        """
        names, placements, masks = photos.names, photos.placements, photos.masks
        if self.grid is not None:
            return place_grid(self.grid, self.grid_view, names, placements, masks)
        return place_queries(self.queries or (), names, placements, masks)


def place_queries(
    queries: Sequence[Query],
    names: Sequence[str],
    placements: Sequence[Placement],
    masks: Masks = (),
) -> tuple[Int[Tensor, " queries"], Float[Tensor, "queries 2"]]:
    """The views of the queries and their pixels in the original photos.

    Raises:
        InputError: a query names no photo, or lies outside its photo or what is seen of it, or
            where the photo's mask leaves it out.
    """
    if not len(queries):
        raise InputError("got no queries: give (view, x, y), or the number of points of a grid")
    views, pixels = [], []
    for query in queries:
        try:
            name, x, y = query
            x, y = float(x), float(y)
        except (TypeError, ValueError):
            raise InputError(f"a query is (view, x, y), got {query!r}") from None
        view = find_view(name if isinstance(name, str) else int(name), names)
        _refuse_outside(x, y, names[view], placements[view])
        refuse_masked(torch.tensor([[x, y]]), masks[view] if masks else None, names[view])
        views.append(view)
        pixels.append((x, y))
    return torch.tensor(views), torch.tensor(pixels)


def _refuse_outside(x: float, y: float, name: str, placement: Placement) -> None:
    if not bool(placement.shows(torch.tensor([x, y]))):
        width, height = placement.original_size
        what = "the part that the network sees of " if 0 <= x <= width and 0 <= y <= height else ""
        raise InputError(
            f"the query ({x:g}, {y:g}) lies outside {what}the photo {name}, which is "
            f"{width} x {height}"
        )


def place_grid(
    count: int,
    view: ViewName,
    names: Sequence[str],
    placements: Sequence[Placement],
    masks: Masks = (),
) -> tuple[Int[Tensor, " queries"], Float[Tensor, "queries 2"]]:
    """A grid with ``count`` points along a photo's longer side, the same distance apart on both.

    Points that a crop has cut off, or that the photo's mask leaves out, are left out.

    Raises:
        InputError: an impossible number, or there is no such photo.
    """
    if not 1 <= count <= _MOST_GRID_POINTS:
        raise InputError(
            f"got a grid of {count} points: give 1 to {_MOST_GRID_POINTS} points on the longer side"
        )
    index = find_view(view, names)
    width, height = placements[index].original_size
    spacing = max(width, height) / count
    columns, rows = max(1, round(width / spacing)), max(1, round(height / spacing))
    x = (torch.arange(columns) + 0.5) * (width / columns)
    y = (torch.arange(rows) + 0.5) * (height / rows)
    pixels = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).flatten(0, 1)
    pixels = pixels[placements[index].shows(pixels)]
    if masks and (mask := masks[index]) is not None:
        pixels = pixels[mask.keeps(pixels)]
    if not len(pixels):
        raise InputError(f"no point of the grid lies in the part of {names[index]} that counts")
    return torch.full((len(pixels),), index), pixels
