"""Where views with truth come from: every dataset yields ``MultiViewSample``."""

from glance3d.datasets.sample import MultiViewSample
from glance3d.datasets.synthetic.stream import SyntheticConfig, SyntheticScenes

__all__ = ["MultiViewSample", "SyntheticConfig", "SyntheticScenes"]
