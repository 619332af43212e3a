"""Points followed through the photos, from any of them.

``track_points`` is the front door. ``feature_maps`` is one look of the network, on which any number
of queries are followed: ``by_network`` (its tracker), ``by_matching`` (its features alone) or
``by_geometry`` (no look needed).
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
from glance3d.tracking.track_points import follow_pixels, track

__all__ = [
    "METHODS",
    "Correspondences",
    "Method",
    "Thresholds",
    "estimate_correspondences",
    "finer_preprocessing",
    "follow_pixels",
    "open_tracks",
    "save_tracks",
    "thresholds_of",
    "track",
]
