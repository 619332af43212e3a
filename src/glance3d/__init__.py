"""Glance3D: geometry from photos in one look."""

from glance3d._version import __version__

__all__ = ["__version__"]
