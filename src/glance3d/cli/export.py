"""``glance3d export``: a saved scene, in another format."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from glance3d.cli.options.flag import Flag
from glance3d.cli.options.output import home_of
from glance3d.cli.options.photos import PhotoFlags, load_with_photos
from glance3d.errors import InputError

_FORMATS = (
    "npz, cameras, images, masks, colmap, ply, glb, depth, nerfstudio, html, report; tum, kitti, "
    "depth-tiff, depth-exr, las (also .laz), gaussians or rerun."
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Turn a saved scene into another format.

    Example: glance3d export scene/ --format glb --confidence-percentile 50
    """

    scene: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SCENE")]
    """A scene.npz, or the folder that holds one."""
    format: Annotated[
        tuple[str, ...],
        tyro.conf.arg(
            metavar="FMT...", help=_FORMATS, help_behavior_hint="(default: by the name of --out)"
        ),
    ] = ()
    out: Annotated[
        Path | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="(default: beside the scene)")
    ] = None
    """File or folder to write."""
    overwrite: Flag = False
    """Replace files there even if Glance3D did not write them, or they were changed since."""
    confidence_percentile: Annotated[float, tyro.conf.arg(metavar="PERCENT")] = 25.0
    """Leave this share of the points, the least certain ones, out of point clouds."""
    max_points: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")] = None
    """At most this many points in a point cloud."""
    measured_only: Flag = False
    """Leave out of point clouds what the network guessed and the photos did not confirm."""
    located: Annotated[PhotoFlags, tyro.conf.arg(name="photo")] = field(default_factory=PhotoFlags)


def run(options: Options) -> None:
    """Load the scene, write each format, and say what was written."""
    formats = tuple(part for word in options.format for part in word.split(",") if part)
    if not formats and options.out is None:
        raise InputError("say what to write: --format FMT, or --out with a name such as scene.glb")
    if len(formats) > 1 and options.out is not None:
        raise InputError("--out is for one format; several go to their usual places")

    from glance3d.exporters import FORMATS, export

    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise InputError(f"unknown format {', '.join(unknown)}: choose from {', '.join(FORMATS)}")
    scene = load_with_photos(options.scene, options.located)
    home = home_of(options.scene)
    for name in formats or (None,):
        usual = home / FORMATS[name].path_in_folder if name else home
        paths = export(
            scene,
            options.out or usual,
            format=name,
            overwrite=options.overwrite,
            percentile=options.confidence_percentile,
            max_points=options.max_points,
            measured_only=options.measured_only,
        )
        print("\n".join(f"wrote {path}" for path in paths))
