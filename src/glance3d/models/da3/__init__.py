"""Depth Anything 3 (Lin et al. 2025): photos of a scene to cameras, depth and rays."""

from glance3d.models.da3.network import DA3

__all__ = ["DA3"]
