"""The points of a COLMAP reconstruction with everything that the views see of them."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from glance3d.images import Originals
from glance3d.types import SparsePoints


def read_sparse_points(
    reconstruction: Any,
    image_ids: Sequence[int],
    views: Collection[int],
    originals: Originals,
) -> SparsePoints:
    """The points that at least two of these views see, with every observation of theirs.

    ``reconstruction`` is COLMAP's; None has no points.
    """
    view_of = {image_ids[view]: view for view in views}
    positions, observations = [], []
    for point_id in sorted(reconstruction.point3D_ids()) if reconstruction is not None else ():
        point = reconstruction.point3D(point_id)
        seen = [
            (view_of[element.image_id], element.point2D_idx)
            for element in point.track.elements
            if element.image_id in view_of
        ]
        # A track may hold two features of one photo, which are no second view.
        if len({view for view, _ in seen}) < 2:
            continue
        observations += [(view, len(positions), feature) for view, feature in seen]
        positions.append(point.xyz)
    # Rows of (view, point, feature), sorted by view as ``SparsePoints`` asks.
    table = np.array(sorted(set(observations)), dtype=np.int64).reshape(-1, 3)
    pixels = np.zeros((len(table), 2))
    for view in sorted(views):
        own = table[:, 0] == view
        features = reconstruction.image(image_ids[view]).points2D
        pixels[own] = np.array([features[index].xy for index in table[own, 2]]).reshape(-1, 2)
    pixels_original = torch.from_numpy(pixels)
    view_indices, point_indices = torch.from_numpy(table[:, 0]), torch.from_numpy(table[:, 1])
    return SparsePoints(
        torch.from_numpy(np.array(positions).reshape(-1, 3)),
        _mean_colors(len(positions), view_indices, point_indices, pixels_original, originals),
        view_indices,
        point_indices,
        pixels_original,
    )


def join_points(first: SparsePoints, second: SparsePoints) -> SparsePoints:
    """Points of both with their observations, which are sorted by view again."""
    views = torch.cat([first.view_indices, second.view_indices])
    order = views.argsort(stable=True)
    return SparsePoints(
        torch.cat([first.points_world, second.points_world]),
        torch.cat([first.colors, second.colors]),
        views[order],
        torch.cat([first.point_indices, second.point_indices + len(first)])[order],
        torch.cat([first.pixels_original, second.pixels_original])[order],
    )


def sample_colors(
    photo: UInt8[np.ndarray, "height width 3"], pixels: Float[Tensor, "points 2"]
) -> UInt8[Tensor, "points 3"]:
    """The colour of the pixel in which each position lies, the nearest one outside the photo."""
    colors = torch.from_numpy(np.array(photo))
    x, y = pixels.long().unbind(-1)
    return colors[y.clamp(0, colors.shape[0] - 1), x.clamp(0, colors.shape[1] - 1)]


def _mean_colors(
    num_points: int,
    views: Int[Tensor, " observations"],
    points: Int[Tensor, " observations"],
    pixels: Float[Tensor, "observations 2"],
    originals: Originals,
) -> UInt8[Tensor, "points 3"]:
    """Each point's mean colour over its observations."""
    total = torch.zeros(num_points, 3, dtype=torch.float64)
    for view in views.unique().tolist():
        own = views == view
        seen = sample_colors(originals[view], pixels[own])
        total.index_add_(0, points[own], seen.double())
    counts = torch.bincount(points, minlength=num_points).clamp_min(1)
    return (total / counts[:, None]).round().clamp(0, 255).to(torch.uint8)
