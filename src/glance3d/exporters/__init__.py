"""Scenes to files that other tools read; ``FORMATS`` is the table of all formats.

``cameras/``, ``colmap/``, ``points/``, ``maps/`` and ``page/`` hold the writers by kind. How files
of cameras are laid out in bytes or text is in :mod:`glance3d.formats`.
"""

from glance3d.exporters.export import export, infer_format, write_scene_folder
from glance3d.exporters.options import DEFAULT_PERCENTILE, ExportOptions
from glance3d.exporters.table import FORMATS, Exporter
from glance3d.formats.scene_npz.file import load_scene

__all__ = [
    "DEFAULT_PERCENTILE",
    "FORMATS",
    "ExportOptions",
    "Exporter",
    "export",
    "infer_format",
    "load_scene",
    "write_scene_folder",
]
