"""Which points of tracks count as seen."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from glance3d.tracking.methods import Thresholds
from glance3d.types import Tracks


def visible_tracks(tracks: Tracks, thresholds: Thresholds) -> Bool[Tensor, "views queries"]:
    """Where each point counts as visible; in its query's view it always does."""
    visible = tracks.visibility >= thresholds.min_visibility
    visible &= tracks.confidence >= thresholds.min_confidence
    visible &= tracks.positions.isfinite().all(-1)
    visible[query_views(tracks), torch.arange(visible.shape[1])] = True
    return visible


def query_views(tracks: Tracks) -> Int[Tensor, " queries"]:
    """The view that each query was placed in."""
    if tracks.query_views is None:
        return torch.zeros(tracks.positions.shape[1], dtype=torch.long)
    return tracks.query_views.long()
