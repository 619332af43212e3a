"""Where each place of a view is in the other views, found early and told to the tokens."""

from glance3d.models.correspondence.first_poses import estimate_first_poses
from glance3d.models.correspondence.layer import Correspondence, CorrespondenceLayer

__all__ = ["Correspondence", "CorrespondenceLayer", "estimate_first_poses"]
