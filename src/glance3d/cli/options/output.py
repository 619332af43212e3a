"""Where a command writes a scene, and how."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from glance3d.cli.options.flag import Flag

SCENE_FILE = "scene.npz"


@dataclass(frozen=True, kw_only=True)
class FolderFlags:
    """Where the results go."""

    out: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: the scene's own)")
    ] = None
    """Folder for the results; created if missing."""
    overwrite: Flag = False
    """Replace files there even if Glance3D did not write them, or they were changed since."""


@dataclass(frozen=True, kw_only=True)
class SceneFolderFlags(FolderFlags):
    """Where the results go, and which points are written."""

    confidence_percentile: Annotated[float, tyro.conf.arg(metavar="PERCENT")] = 25.0
    """Leave this share of the points, the least certain ones, out of point clouds."""
    max_points: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")] = None
    """At most this many points in a point cloud."""

    def refuse_impossible(self) -> None:
        """Refuse now what would only come to light when files are written."""
        from glance3d.exporters import ExportOptions

        ExportOptions(percentile=self.confidence_percentile, max_points=self.max_points)


@dataclass(frozen=True, kw_only=True)
class NewSceneFolderFlags(SceneFolderFlags):
    """Where the results go, and which points are written."""

    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = field()  # no default, unlike the base's
    """Folder for the results; created if missing."""


def home_of(scene: Path) -> Path:
    """The folder of a saved scene, named by itself or by its scene.npz."""
    return scene if scene.is_dir() else scene.parent
