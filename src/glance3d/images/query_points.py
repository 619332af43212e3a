"""Query points of an original photo, on the network's grid."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import InputError
from glance3d.types import TRACK_PIXEL_SHIFT, ImageBatch, PhotoMask


def queries_on_grid(
    queries: Sequence[tuple[float, float]], batch: ImageBatch, view: int
) -> Float[Tensor, "queries 2"]:
    """Pixels of a view's original photo, as the network counts pixels of its grid.

    Raises:
        InputError: one lies outside the photo or the part of it that the network sees, or where the
            photo's mask leaves it out.
    """
    points = torch.tensor(queries, dtype=torch.float32)
    placement, name = batch.placements[view], batch.names[view]
    refuse_outside(points, points, placement.original_size, f"the photo {name}")
    refuse_masked(points, batch.masks[view] if batch.masks else None, name)
    on_grid = placement.to_processed(points)
    seen = f"the part of {name} that the network sees"
    refuse_outside(points, on_grid, placement.processed_size, seen)
    last = on_grid.new_tensor(placement.processed_size) - 1
    return torch.minimum((on_grid - TRACK_PIXEL_SHIFT).clamp(min=0), last)


def refuse_outside(
    points: Float[Tensor, "points 2"],
    mapped: Float[Tensor, "points 2"],
    size: tuple[int, int],
    what: str,
) -> None:
    """Name the first of ``points`` that, mapped, lies outside an image of (width, height)."""
    slack = 1e-3  # of a pixel, for rounding on the way
    outside = (
        (mapped < -slack) | (mapped > mapped.new_tensor(size) + slack) | ~mapped.isfinite()
    ).any(-1)
    if outside.any():
        x, y = points[outside][0].tolist()
        raise InputError(f"query point ({x:g}, {y:g}) lies outside {what}: {size[0]} x {size[1]}")


def refuse_masked(points: Float[Tensor, "points 2"], mask: PhotoMask | None, name: str) -> None:
    """Name the first of ``points`` (pixels of the original photo) that its mask leaves out."""
    if mask is None:
        return
    left_out = ~mask.keeps(points)
    if left_out.any():
        x, y = points[left_out][0].tolist()
        raise InputError(f"query point ({x:g}, {y:g}) lies where the mask of {name} leaves it out")
