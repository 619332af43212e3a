"""Synthetic scenes: textured primitives in rooms and in the open, with exact truth.

``stream`` is the entrance. Below it ``layouts``, ``materials`` and ``scenes`` draw the world,
``trajectories`` the cameras; ``raycast``, ``shading`` and ``render`` make pictures and depth,
``degrade`` photographs, and ``tracks`` with ``visibility`` the point tracks.
"""

from glance3d.datasets.synthetic.stream import SPLITS, SyntheticConfig, SyntheticScenes

__all__ = ["SPLITS", "SyntheticConfig", "SyntheticScenes"]
