"""The nouns that travel between folders, each a frozen dataclass.

``ImageBatch`` (what the network sees) becomes ``Predictions`` (what the network said) becomes
``Reconstruction`` (one scene for a person). Nothing else crosses a border.
"""

from glance3d.types.cameras import Cameras
from glance3d.types.clips import ClipSummary
from glance3d.types.images import ImageBatch, PhotoMetadata, SkippedPhoto
from glance3d.types.masks import Masks, PhotoMask, kept_on_grids, kept_pixels
from glance3d.types.photo_content import PhotoContent, PhotoContents
from glance3d.types.placement import Placement
from glance3d.types.predictions import PINHOLE_FOV, TRACK_PIXEL_SHIFT, Predictions
from glance3d.types.reconstruction import (
    HELD_BY_PHOTOS,
    REGISTERED_BY,
    TRACKED_BY,
    VERDICTS,
    Reconstruction,
    SparsePoints,
    Tracks,
    ViewTrust,
)
from glance3d.types.report import Report, ReportWarning

__all__ = [
    "HELD_BY_PHOTOS",
    "PINHOLE_FOV",
    "REGISTERED_BY",
    "TRACKED_BY",
    "TRACK_PIXEL_SHIFT",
    "VERDICTS",
    "Cameras",
    "ClipSummary",
    "ImageBatch",
    "Masks",
    "PhotoContent",
    "PhotoContents",
    "PhotoMask",
    "PhotoMetadata",
    "Placement",
    "Predictions",
    "Reconstruction",
    "Report",
    "ReportWarning",
    "SkippedPhoto",
    "SparsePoints",
    "Tracks",
    "ViewTrust",
    "kept_on_grids",
    "kept_pixels",
]
