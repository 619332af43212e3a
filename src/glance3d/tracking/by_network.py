"""Points tracked by the network's tracker, from any view.

The published tracker takes its queries from the first view it is given. It knows the views' order
by that alone (one code for the queries' view, another for all the rest, attention over the views
without positions), so that handing it the same maps in another order is exact: the aggregator, to
which the reference view *is* special, runs once, and cameras and depth stay in the reference frame.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.models import Network
from glance3d.multiview.matching.descriptor_tracking import FEATURE_STRIDE
from glance3d.tracking.feature_maps import FeatureMaps, track_head_of
from glance3d.tracking.point_tracker import TrackedPoints, stack_tracked

# Bounds the tracker's memory. Queries that run together see each other through virtual tracks, so
# that results depend slightly on this.
_QUERIES_TIMES_VIEWS = 16384


class NetworkTracker:
    """Visibility and confidence are the tracker's own: sigmoids, 0.5 where it is undecided.

    Visibility was trained to say that nothing hides the point; confidence, that the position is
    within 12 of 518 longer sides of the truth besides.
    """

    def __init__(self, network: Network, features: FeatureMaps) -> None:
        self._tracker = track_head_of(network).tracker
        self._features = features

    def track(
        self, view: int, pixels_original: Float[Tensor, "queries 2"], targets: Sequence[int]
    ) -> TrackedPoints:
        """See :class:`~glance3d.tracking.point_tracker.PointTracker`; targets see each other."""
        cells = self._features.to_cells(pixels_original, view)
        step = max(1, _QUERIES_TIMES_VIEWS // (1 + len(targets)))
        return stack_tracked([self._some(view, part, targets) for part in cells.split(step)])

    def _some(
        self, view: int, cells: Float[Tensor, "queries 2"], targets: Sequence[int]
    ) -> TrackedPoints:
        rows, columns = self._features.maps.shape[-2:]
        # The network's grid ends half a pixel after the last one's centre; queries end there.
        last = cells.new_tensor([columns, rows]) - 1 / FEATURE_STRIDE
        inside = torch.minimum(cells.clamp(min=0), last)
        order = [view, *targets]
        with torch.inference_mode():
            tracks, visibility, confidence = self._tracker(
                self._features.maps[order][None], inside[None]
            )
        positions = [
            self._features.to_original(cells, target)
            for target, cells in zip(targets, tracks[-1, 0, 1:], strict=True)
        ]
        stacked = torch.stack(positions) if positions else torch.zeros(0, len(cells), 2)
        seen = [self._features.sees(p, t) for t, p in zip(targets, positions, strict=True)]
        visible = visibility[0, 1:].cpu()
        if seen:  # outside the photo nothing is visible, whatever the network says
            visible = visible * torch.stack(seen)
        return TrackedPoints(stacked, visible, confidence[0, 1:].cpu())
