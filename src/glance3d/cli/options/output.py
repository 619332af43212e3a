"""Where a command writes a scene, and how; what it will write is claimed before the work."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from glance3d.cli.options.flag import Flag

if TYPE_CHECKING:
    from glance3d.images.naming.file_names import Photos
    from glance3d.results import ResultFolder

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


@contextmanager
def scene_folder(
    folder: Path, photos: "Photos | None" = None, *, overwrite: bool
) -> Iterator["ResultFolder"]:
    """Open the folder for a whole scene; ``photos`` are those that are known before the work.

    Raises:
        OutputError: it cannot be written to, another run writes there, or it holds what is
            somebody else's.
    """
    from glance3d.exporters.claims import scene_claims, usual_formats
    from glance3d.results import open_result

    with open_result(folder, overwrite=overwrite) as result:
        result.claim(scene_claims(folder, usual_formats(), photos))
        yield result


def claim_photos(result: "ResultFolder", photos: "Photos") -> None:
    """Claim what bears the photos' names, once they are loaded and before the network runs."""
    from glance3d.exporters.claims import scene_claims, usual_formats

    result.claim(scene_claims(result.root, usual_formats(), photos))
