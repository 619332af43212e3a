"""Where each place of a view is in the other views, found early and told to the tokens."""

from glance3d.models.correspondence.common_scale import scale_of_cameras
from glance3d.models.correspondence.first_poses import estimate_first_poses
from glance3d.models.correspondence.layer import Correspondence, CorrespondenceLayer, Descriptions
from glance3d.models.correspondence.pair_poses import PairMatches, best_matches

__all__ = [
    "Correspondence",
    "CorrespondenceLayer",
    "Descriptions",
    "PairMatches",
    "best_matches",
    "estimate_first_poses",
    "scale_of_cameras",
]
