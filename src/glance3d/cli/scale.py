"""``glance3d scale``: a saved scene, in metres and in the frame that is known."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from glance3d.cli.options.known import (
    MetricOptions,
    in_metres,
    metric_summary,
    read_knowledge,
)
from glance3d.cli.options.output import scene_folder
from glance3d.errors import InputError
from glance3d.files.atomic import to_json_text


@dataclass(frozen=True)
class Options:
    """Give a saved scene its true size, and the world of known cameras or of GPS.

    The report says how sure the scale is, and what contradicts. All files are written again.

    Example: glance3d scale scene/ --known-distance door.jpg:120,340:122,80=2.03
    """

    scene: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SCENE")]
    """A scene.npz, or the folder that holds one."""
    known: Annotated[MetricOptions, tyro.conf.arg(name="")] = field(default_factory=MetricOptions)
    """What is known."""
    out: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: the scene's own)")
    ] = None
    """Folder for the results; made if need be."""
    overwrite: bool = False
    """Allow to replace files there that Glance3D did not write, or that were changed since."""
    confidence_percentile: Annotated[float, tyro.conf.arg(metavar="PERCENT")] = 25.0
    """This share of the points, the least certain ones, is left out of point clouds."""
    max_points: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")] = None
    """At most this many points in a point cloud."""
    json: bool = False
    """Print what was found out about metres as JSON, and nothing else, to stdout."""


def run(options: Options) -> None:
    """Load, scale, write everything again, and say what was found out."""
    knowledge = read_knowledge(options.known)
    if not knowledge:
        raise InputError(
            "say what is known: --gps, --cameras FILE, --known-distance or --known-depth; see "
            "glance3d scale --help"
        )
    from glance3d.exporters import ExportOptions, load_scene, write_scene_folder

    ExportOptions(percentile=options.confidence_percentile, max_points=options.max_points)
    before = load_scene(options.scene)
    if not knowledge.constraints_for(before):
        raise InputError("the known cameras hold no poses, and intrinsics alone give no scale")
    scene = in_metres(before, knowledge)
    home = options.scene if options.scene.is_dir() else options.scene.parent
    out = options.out or home
    with scene_folder(out, scene, overwrite=options.overwrite):
        paths = write_scene_folder(
            scene,
            out,
            percentile=options.confidence_percentile,
            max_points=options.max_points,
        )
    if options.json:
        print(to_json_text(scene.report["metric_scale"], indent=1))
    else:
        print("\n".join([*metric_summary(scene.report), f"wrote {len(paths)} files to {out}/"]))
