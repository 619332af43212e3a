"""Points followed by their descriptors, from any view (:mod:`.models.correspondence.following`)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.models import VGGT
from glance3d.multiview.descriptor_tracking import MUTUAL_WITHIN, DescriptorTracker
from glance3d.tracking.feature_maps import FeatureMaps, track_head_of
from glance3d.tracking.following import Followed


class MatchingFollower:
    """Visibility is mutuality, confidence is likeness; padding is never searched."""

    def __init__(self, network: VGGT, features: FeatureMaps) -> None:
        self._features = features
        with torch.inference_mode():
            maps = track_head_of(network).descriptors(features.maps)
            self._search = DescriptorTracker(
                maps, features.described, features.images, features.content
            )

    def follow(
        self, view: int, pixels_original: Float[Tensor, "queries 2"], targets: Sequence[int]
    ) -> Followed:
        """See :class:`glance3d.tracking.following.Follower`."""
        cells = self._features.to_cells(pixels_original, view)
        found = self._search.follow(view, cells, targets)
        positions = torch.zeros(len(targets), len(cells), 2)
        for index, target in enumerate(targets):
            positions[index] = self._features.to_original(found.cells[index], target)
        return Followed(positions, found.visibility.cpu(), found.confidence.cpu())

    def return_errors(self, visibility: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """What visibility says in pixels of the network's grid: from the query to where it ends."""
        return -torch.log2(visibility) * MUTUAL_WITHIN
