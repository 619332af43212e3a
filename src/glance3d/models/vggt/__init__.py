"""VGGT (Wang et al. 2025): photos of a scene to cameras, depth, points and tracks."""

from glance3d.models.vggt.network import VGGT

__all__ = ["VGGT"]
