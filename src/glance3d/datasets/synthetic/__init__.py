"""Synthetic scenes: textured primitives in rooms and in the open, with exact truth.

``stream`` is the entrance; below it, ``layouts`` and ``scenes`` draw the world, ``trajectories`` the
cameras, ``raycast`` and ``shading`` the light, ``degrade`` the photograph, ``tracks`` the point tracks.
"""

from glance3d.datasets.synthetic.stream import SPLITS, SyntheticConfig, SyntheticScenes

__all__ = ["SPLITS", "SyntheticConfig", "SyntheticScenes"]
