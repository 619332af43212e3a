"""``scene.npz``: the whole scene (:mod:`glance3d.formats.scene_npz.file` describes it)."""

from pathlib import Path

from glance3d.exporters.options import ExportOptions, WriteResult
from glance3d.formats.scene_npz.file import save_scene
from glance3d.types import Reconstruction


def write_npz(scene: Reconstruction, path: Path, options: ExportOptions) -> WriteResult:
    """Write the whole scene, whatever it holds."""
    return WriteResult((save_scene(scene, path),))
