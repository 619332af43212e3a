"""With cameras that can be trusted, depth is measured again from the photos themselves."""

from glance3d.densification.consistency import mark_consistent
from glance3d.densification.dense_scene import DEFAULT_MAX_PIXELS, densify, measure_depth
from glance3d.densification.options import SweepOptions

__all__ = ["DEFAULT_MAX_PIXELS", "SweepOptions", "densify", "mark_consistent", "measure_depth"]
