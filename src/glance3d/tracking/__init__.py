"""Points tracked through the photos, from any of them.

``track_points`` is the front door. ``feature_maps`` is one pass of the network, on which any number
of queries are tracked: ``by_network`` (its tracker), ``by_matching`` (its features alone) or
``by_geometry`` (no pass needed).
"""

from glance3d.tracking.correspondences import Correspondences, estimate_correspondences
from glance3d.tracking.methods import (
    METHODS,
    Method,
    Thresholds,
    finer_preprocessing,
    thresholds_of,
)
from glance3d.tracking.track_files import open_tracks, save_tracks
from glance3d.tracking.track_points import track, track_pixels

__all__ = [
    "METHODS",
    "Correspondences",
    "Method",
    "Thresholds",
    "estimate_correspondences",
    "finer_preprocessing",
    "open_tracks",
    "save_tracks",
    "thresholds_of",
    "track",
    "track_pixels",
]
