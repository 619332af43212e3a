"""Views with true cameras and depth.

Training reads ``MultiViewSample`` from a stream (``SyntheticScenes``); evaluation reads a
``PhotoSet`` of real photos from a folder.
"""

from glance3d.datasets.photo_folder import PhotoSet, load_photo_set
from glance3d.datasets.sample import MultiViewSample
from glance3d.datasets.synthetic.stream import SyntheticConfig, SyntheticScenes

__all__ = ["MultiViewSample", "PhotoSet", "SyntheticConfig", "SyntheticScenes", "load_photo_set"]
