"""Where each place of a view is in the other views, and what that says of the cameras."""

from glance3d.models.correspondence.common_scale import scale_of_cameras
from glance3d.models.correspondence.depth_sweep import sweep_depth
from glance3d.models.correspondence.first_poses import estimate_first_poses
from glance3d.models.correspondence.following import PointSearch
from glance3d.models.correspondence.head import Correspondence, CorrespondenceHead, Descriptions
from glance3d.models.correspondence.pair_poses import PairMatches, best_matches

__all__ = [
    "Correspondence",
    "CorrespondenceHead",
    "Descriptions",
    "PairMatches",
    "PointSearch",
    "best_matches",
    "estimate_first_poses",
    "scale_of_cameras",
    "sweep_depth",
]
