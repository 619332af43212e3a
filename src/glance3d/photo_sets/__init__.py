"""Photos with true cameras, as tools and benchmarks write them: one noun, one table of formats."""

from glance3d.photo_sets.photo_set import PhotoSet
from glance3d.photo_sets.table import PHOTO_SET_FORMATS, PhotoSetFormat, load_photo_set

__all__ = ["PHOTO_SET_FORMATS", "PhotoSet", "PhotoSetFormat", "load_photo_set"]
