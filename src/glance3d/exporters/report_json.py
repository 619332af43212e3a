"""``report.json``: how the scene was made, as each stage recorded it."""

from pathlib import Path

from glance3d.exporters.options import ExportOptions, WriteResult
from glance3d.files.atomic import save_json
from glance3d.types import Reconstruction


def write_report_json(scene: Reconstruction, path: Path, options: ExportOptions) -> WriteResult:
    """Write the scene's report as strict JSON (NaN becomes null)."""
    return WriteResult((save_json(path, scene.report.to_json()),))
