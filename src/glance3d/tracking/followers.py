"""The followers that live on one look's feature maps, by the names of their methods."""

from glance3d.models import VGGT
from glance3d.tracking.by_matching import MatchingFollower
from glance3d.tracking.by_network import NetworkFollower
from glance3d.tracking.feature_maps import FeatureMaps

FOLLOWERS = {"network": NetworkFollower, "matching": MatchingFollower}


def build_follower(
    method: str, network: VGGT, features: FeatureMaps
) -> NetworkFollower | MatchingFollower:
    """The follower of this method, of those that need no depth and cameras."""
    return FOLLOWERS[method](network, features)
