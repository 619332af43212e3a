"""What all ways of tracking points have in common."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor


class TrackedPoints(NamedTuple):
    """Where queries of one view are in some other views, in original pixels (NaN: not known).

    ``visibility`` and ``confidence`` are from 0 to 1; what they mean depends on the tracker.
    """

    positions: Float[Tensor, "views queries 2"]
    visibility: Float[Tensor, "views queries"]
    confidence: Float[Tensor, "views queries"]


@runtime_checkable
class PointTracker(Protocol):
    """Finds points of one view in others."""

    def track(
        self, view: int, pixels_original: Float[Tensor, "queries 2"], targets: Sequence[int]
    ) -> TrackedPoints:
        """Track pixels of ``view`` to each of ``targets``, which do not hold ``view``."""
        ...


def stack_tracked(parts: Sequence[TrackedPoints]) -> TrackedPoints:
    """Queries that were tracked a few at a time, side by side again."""
    positions, visibility, confidence = zip(*parts, strict=True)
    return TrackedPoints(
        torch.cat(positions, 1), torch.cat(visibility, 1), torch.cat(confidence, 1)
    )
