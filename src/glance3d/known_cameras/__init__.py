"""Known cameras, read from files of common formats, and matched to photos."""

from glance3d.known_cameras.cameras import KnownCamera, KnownCameras
from glance3d.known_cameras.disagreement import (
    PoseDisagreement,
    ViewDisagreement,
    measure_disagreement,
)
from glance3d.known_cameras.given_world import in_given_world
from glance3d.known_cameras.matching.match import match_known_cameras, match_views
from glance3d.known_cameras.matching.readings import (
    agreement_with_poses,
    settle_by_poses,
    settle_reading,
)
from glance3d.known_cameras.table import CAMERA_FORMATS, CamerasFormat, load_known_cameras
from glance3d.known_cameras.views import KnownViews

__all__ = [
    "CAMERA_FORMATS",
    "CamerasFormat",
    "KnownCamera",
    "KnownCameras",
    "KnownViews",
    "PoseDisagreement",
    "ViewDisagreement",
    "agreement_with_poses",
    "in_given_world",
    "load_known_cameras",
    "match_known_cameras",
    "match_views",
    "measure_disagreement",
    "settle_by_poses",
    "settle_reading",
]
