"""The trackers that need the feature maps of one pass alone, by the names of their methods."""

from glance3d.models import Network
from glance3d.tracking.by_matching import MatchingTracker
from glance3d.tracking.by_network import NetworkTracker
from glance3d.tracking.feature_maps import FeatureMaps

TRACKERS = {"network": NetworkTracker, "matching": MatchingTracker}


def build_tracker(
    method: str, network: Network, features: FeatureMaps
) -> NetworkTracker | MatchingTracker:
    """The tracker of this method, of those that need no depth and cameras."""
    return TRACKERS[method](network, features)
