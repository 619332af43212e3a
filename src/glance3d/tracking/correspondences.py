"""Correspondences of many photos from the network, as bundle adjustment needs them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from tqdm import tqdm

from glance3d.errors import InputError
from glance3d.models import Network
from glance3d.tracking.build_tracker import build_tracker
from glance3d.tracking.by_matching import MatchingTracker
from glance3d.tracking.by_network import NetworkTracker
from glance3d.tracking.feature_maps import FeatureMaps, predict_with_features
from glance3d.tracking.methods import resolve_without_scene, thresholds_of
from glance3d.tracking.point_tracker import TrackedPoints
from glance3d.tracking.select_queries import select_queries
from glance3d.types import ImageBatch, kept_pixels

MAX_RETURN_ERROR = 2.0  # pixels of the network's grid
_MOST_QUERY_VIEWS = 12


@dataclass(frozen=True)
class Correspondences:
    """Who sees the same point where: observation ``i`` of track ``track_indices[i]``.

    Tracks are numbered from 0 and have at least two observations, in different views; their
    queries, which were placed and not found, have confidence 1. Sorted by track, then by view.
    """

    view_indices: Int[Tensor, " observations"]
    track_indices: Int[Tensor, " observations"]
    pixels_original: Float[Tensor, "observations 2"]
    confidence: Float[Tensor, " observations"]

    def __len__(self) -> int:
        return len(self.view_indices)

    @property
    def num_tracks(self) -> int:
        """How many points were tracked."""
        return len(self.track_indices.unique())


def estimate_correspondences(
    network: Network,
    batch: ImageBatch,
    *,
    queries_per_view: int = 512,
    query_views: Sequence[int] | None = None,
    by: str = "auto",
    min_visibility: float | None = None,
    min_confidence: float | None = None,
    max_return_error: float = MAX_RETURN_ERROR,
    depth_confidence: Float[Tensor, "views height width"] | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Correspondences:
    """Corners of several photos, tracked to all others and back.

    The aggregator runs once. What comes back farther than ``max_return_error`` pixels of the
    network's grid from where it started is dropped, and what is below the method's thresholds.
    With :func:`glance3d.tracking.finer_preprocessing` photos are fine enough for matching.

    Args:
        network: One with a track head.
        batch: The photos as the network sees them.
        queries_per_view: At most so many corners of each query view.
        query_views: The views whose corners are tracked; by default all, or 12 evenly spaced.
        by: ``"network"``, ``"matching"`` or ``"auto"``, as in :func:`glance3d.track`.
        min_visibility: Instead of the method's own; see ``glance3d.tracking.METHODS``.
        min_confidence: Likewise.
        max_return_error: Of the forward and backward check.
        depth_confidence: On the network's grid; corners where it is high are preferred.
        seed: Decides between corners that are equally good.
        progress: Show a progress bar on stderr.

    Raises:
        InputError: an argument cannot be used, or the network has no track head.
    """
    views = _query_views(query_views, len(batch.names))
    if queries_per_view < 1:
        raise InputError(f"queries_per_view must be at least 1, got {queries_per_view}")
    method = resolve_without_scene(by, network.config)
    thresholds = thresholds_of(method, min_visibility, min_confidence)
    _, features = predict_with_features(network, batch)
    tracker = build_tracker(method, network, features)
    parts, first_track, usable = [], 0, batch.usable_mask
    for view in tqdm(views, "correspondences", disable=not progress, unit="photo"):
        queries = select_queries(
            batch.of_views([view]).images[0],
            usable[view],
            queries_per_view,
            None if depth_confidence is None else depth_confidence[view].to(batch.pixels.device),
            seed,
        )
        pixels = batch.placements[view].to_original(queries)
        targets = [other for other in range(len(batch.names)) if other != view]
        tracked = tracker.track(view, pixels, targets)
        kept = (tracked.visibility >= thresholds.min_visibility) & (
            tracked.confidence >= thresholds.min_confidence
        )
        if batch.masks:
            kept &= kept_pixels([batch.masks[other] for other in targets], tracked.positions)
        errors = _return_errors(tracker, features, view, pixels, targets, tracked)
        kept &= errors <= max_return_error
        parts.append(_observations(view, pixels, targets, tracked, kept, first_track))
        first_track += parts[-1].num_tracks
    return _concatenated(parts)


def _query_views(views: Sequence[int] | None, num_views: int) -> list[int]:
    if views is None:
        count = min(num_views, _MOST_QUERY_VIEWS)
        return [index * num_views // count for index in range(count)]
    wrong = [view for view in views if not 0 <= view < num_views]
    if wrong:
        raise InputError(f"there is no view {wrong[0]}: there are {num_views}, counted from 0")
    return list(dict.fromkeys(views))


def _return_errors(
    tracker: MatchingTracker | NetworkTracker,
    features: FeatureMaps,
    view: int,
    pixels: Float[Tensor, "queries 2"],
    targets: Sequence[int],
    tracked: TrackedPoints,
) -> Float[Tensor, "views queries"]:
    """How far from its query each point ends when it is tracked back, in pixels of the grid.

    Infinite outside the photo. Each goes back by its own pair of views alone.
    """
    if isinstance(tracker, MatchingTracker):  # which has been back already
        return tracker.return_errors(tracked.visibility)
    placement = features.placements[view]
    start = placement.to_processed(pixels)
    errors = torch.full(tracked.visibility.shape, torch.inf)
    for index, target in enumerate(targets):
        positions = tracked.positions[index]
        inside = features.sees(positions, target)
        if inside.any():
            returned = tracker.track(target, positions[inside], [view]).positions[0]
            errors[index, inside] = (placement.to_processed(returned) - start[inside]).norm(dim=-1)
    return errors


def _observations(
    view: int,
    pixels: Float[Tensor, "queries 2"],
    targets: Sequence[int],
    tracked: TrackedPoints,
    kept: Bool[Tensor, "views queries"],
    first_track: int,
) -> Correspondences:
    """Observations of the queries that were tracked to at least one other view."""
    useful = kept.any(0).nonzero().squeeze(-1)
    tracks = torch.full((len(pixels),), -1)
    tracks[useful] = torch.arange(len(useful)) + first_track
    index, query = kept.nonzero().unbind(-1)
    views = torch.cat([torch.full_like(useful, view), torch.tensor(targets).long()[index]])
    numbers = torch.cat([tracks[useful], tracks[query]])
    order = (numbers * (len(targets) + 2) + views).argsort()
    return Correspondences(
        views[order],
        numbers[order],
        torch.cat([pixels[useful], tracked.positions[index, query]])[order],
        torch.cat([torch.ones(len(useful)), tracked.confidence[index, query]])[order],
    )


def _concatenated(parts: Sequence[Correspondences]) -> Correspondences:
    return Correspondences(
        torch.cat([part.view_indices for part in parts]),
        torch.cat([part.track_indices for part in parts]),
        torch.cat([part.pixels_original for part in parts]),
        torch.cat([part.confidence for part in parts]),
    )
