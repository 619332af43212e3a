"""The order in which points are drawn, and their percentiles of confidence."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from glance3d.exporters.points.point_cloud import confident_pixels
from glance3d.geometry.filter import picked
from glance3d.types import Reconstruction

_AT_ONCE = 1 << 20


def level_of_detail_order(num_points: int, seed: int = 0) -> Int[Tensor, " points"]:
    """An order in which every prefix is a uniform sample of all points; the same on every call.

    The first tenth of the points is a tenth of every surface.
    """
    return torch.randperm(num_points, generator=torch.Generator().manual_seed(seed))


def confidence_percentiles(scene: Reconstruction) -> Float[Tensor, "views h w"]:
    """Percentile of each pixel's confidence in the whole scene: from above 0 to 100, NaN for none.

    A pixel above ``p`` is one that an exporter keeps at the percentile ``p``: ranks are of the
    whole scene, what ties ranks alike, and all that was guessed comes before all that was measured.
    Without a confidence, every point is as sure as any other.

    Raises:
        SceneError: the scene has no points.
    """
    valid = confident_pixels(scene, 0.0)
    percentiles = torch.full(valid.shape, torch.nan)
    if scene.confidence is None:
        percentiles[valid] = 100.0
        return percentiles
    share = 100 / max(int(valid.sum()), 1)
    if scene.measured is None:
        _fill(percentiles, valid, share * _num_up_to(picked(scene.confidence, valid)))
        return percentiles
    guessed, measured = valid & ~scene.measured, valid & scene.measured
    _fill(percentiles, guessed, share * _num_up_to(picked(scene.confidence, guessed)))
    below = share * int(guessed.sum())
    ranks = _num_up_to(picked(scene.confidence, measured))
    _fill(percentiles, measured, below + share * ranks)
    return percentiles


def guessed_share(scene: Reconstruction, points: Bool[Tensor, "views h w"]) -> float | None:
    """The share of the points that was not measured, 0 to 1; None if nothing was measured."""
    if scene.measured is None or not bool((scene.measured & points).any()):
        return None
    return float((points & ~scene.measured).sum() / points.sum())


def _num_up_to(values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """For each value, how many values are at most as large, itself included."""
    ordered = torch.from_numpy(np.sort(values.numpy()))
    counts = torch.empty(len(values))
    for part, some in zip(counts.split(_AT_ONCE), values.split(_AT_ONCE), strict=True):
        part.copy_(torch.searchsorted(ordered, some, right=True))
    return counts


def _fill(
    target: Float[Tensor, "*batch"], where: Bool[Tensor, "*batch"], values: Float[Tensor, " n"]
) -> None:
    """``target[where] = values``, without indices for each entry."""
    target.numpy()[where.numpy()] = values.numpy()
