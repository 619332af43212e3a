"""Synthetic scenes: textured primitives, indoors and outdoors, with exact truth.

``stream`` is the entry point. ``layouts``, ``materials`` and ``scenes`` sample the world,
``trajectories`` the cameras; ``raycast``, ``shading`` and ``render`` compute images and depth,
``degrade`` simulates a camera, and ``tracks`` with ``visibility`` compute the point tracks.
"""

from glance3d.datasets.synthetic.stream import SPLITS, SyntheticConfig, SyntheticScenes

__all__ = ["SPLITS", "SyntheticConfig", "SyntheticScenes"]
