"""The order in which points are drawn, and their percentiles of confidence."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from glance3d.exporters.points.point_cloud import confident_pixels
from glance3d.types import Reconstruction


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
        percentiles[valid] = share * _num_up_to(scene.confidence[valid])
        return percentiles
    guessed, measured = valid & ~scene.measured, valid & scene.measured
    percentiles[guessed] = share * _num_up_to(scene.confidence[guessed])
    below = share * int(guessed.sum())
    percentiles[measured] = below + share * _num_up_to(scene.confidence[measured])
    return percentiles


def guessed_share(scene: Reconstruction, points: Bool[Tensor, "views h w"]) -> float | None:
    """The share of the points that was not measured, 0 to 1; None if nothing was measured."""
    if scene.measured is None or not bool((scene.measured & points).any()):
        return None
    return float((points & ~scene.measured).sum() / points.sum())


def _num_up_to(values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """For each value, how many values are at most as large, itself included."""
    ordered, places = values.sort()
    differs = torch.ones(len(values), dtype=torch.bool)
    differs[:-1] = ordered[1:] != ordered[:-1]
    ends = differs.nonzero().squeeze(-1) + 1
    counts = torch.empty(len(values))
    counts[places] = ends.repeat_interleave(ends.diff(prepend=ends.new_zeros(1))).float()
    return counts
