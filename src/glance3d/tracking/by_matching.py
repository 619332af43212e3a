"""Points tracked by their descriptors, from any view (``multiview/matching/``)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.models import Network
from glance3d.multiview.matching.descriptor_tracking import MUTUAL_WITHIN, DescriptorTracker
from glance3d.tracking.feature_maps import FeatureMaps, track_head_of
from glance3d.tracking.point_tracker import TrackedPoints


class MatchingTracker:
    """Visibility is how mutual a match is, confidence its cosine; padding is never searched."""

    def __init__(self, network: Network, features: FeatureMaps) -> None:
        self._features = features
        with torch.inference_mode():
            maps = track_head_of(network).descriptors(features.maps)
            self._tracker = DescriptorTracker(
                maps,
                network.config.multiview,
                features.described,
                features.images,
                features.content,
            )

    def track(
        self, view: int, pixels_original: Float[Tensor, "queries 2"], targets: Sequence[int]
    ) -> TrackedPoints:
        """See :class:`glance3d.tracking.point_tracker.PointTracker`."""
        cells = self._features.to_cells(pixels_original, view)
        tracked = self._tracker.track(view, cells, targets)
        positions = torch.zeros(len(targets), len(cells), 2)
        for index, target in enumerate(targets):
            positions[index] = self._features.to_original(tracked.cells[index], target)
        return TrackedPoints(positions, tracked.visibility.cpu(), tracked.confidence.cpu())

    def return_errors(self, visibility: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """Distance between a query and its match's own match, in pixels of the network's grid."""
        return -torch.log2(visibility) * MUTUAL_WITHIN
