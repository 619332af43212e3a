"""Drawn scenes with true cameras and depth, as a stream of ``MultiViewSample``."""

from glance3d.datasets.sample import MultiViewSample
from glance3d.datasets.synthetic.stream import SyntheticConfig, SyntheticScenes

__all__ = ["MultiViewSample", "SyntheticConfig", "SyntheticScenes"]
