"""Photos: from the files of cameras and phones to the network's images, and back."""

from glance3d.images.clips import CLIP_SUFFIXES, ClipSampling
from glance3d.images.decoding.decode import open_upright, read_metadata
from glance3d.images.files.decoders import MAX_PHOTO_PIXELS, MIN_SIDE
from glance3d.images.files.file_kinds import READABLE_SUFFIXES
from glance3d.images.finding.content import content_of
from glance3d.images.finding.photo_search import find_photo, with_photos
from glance3d.images.finding.sources import FoundSources, find_sources, resolve_sources
from glance3d.images.input_options import InputOptions
from glance3d.images.load import load_images
from glance3d.images.masks import MaskSources, find_masks, load_masks, masks_of_scene
from glance3d.images.naming.unique_names import unique_names
from glance3d.images.originals import Originals
from glance3d.images.preprocess import PREPROCESSING_MODES, Preprocessing, plan_placements, render

__all__ = [
    "CLIP_SUFFIXES",
    "MAX_PHOTO_PIXELS",
    "MIN_SIDE",
    "PREPROCESSING_MODES",
    "READABLE_SUFFIXES",
    "ClipSampling",
    "FoundSources",
    "InputOptions",
    "MaskSources",
    "Originals",
    "Preprocessing",
    "content_of",
    "find_masks",
    "find_photo",
    "find_sources",
    "load_images",
    "load_masks",
    "masks_of_scene",
    "open_upright",
    "plan_placements",
    "read_metadata",
    "render",
    "resolve_sources",
    "unique_names",
    "with_photos",
]
