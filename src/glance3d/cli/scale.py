"""``glance3d scale``: a saved scene, in metres and in the frame that is known."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from glance3d.cli.options.flag import Flag
from glance3d.cli.options.known import (
    MetricFlags,
    metric_summary,
    read_known_quantities,
)
from glance3d.cli.options.output import SceneFolderFlags, home_of
from glance3d.errors import InputError
from glance3d.files.atomic import to_json_text


@dataclass(frozen=True, kw_only=True)
class Options:
    """Give a saved scene its true size, and the world of known cameras or of GPS.

    The report says how certain the scale is, and what contradicts it. All files are written again.

    Example: glance3d scale scene/ --known-distance door.jpg:120,340:122,80=2.03
    """

    scene: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SCENE")]
    """A scene.npz, or the folder that holds one."""
    json: Flag = False
    """Print what is known of metres as JSON, and nothing else, to stdout."""
    known: Annotated[MetricFlags, tyro.conf.arg(name="known quantity")] = field(
        default_factory=MetricFlags
    )
    output: SceneFolderFlags = field(default_factory=SceneFolderFlags)


def run(options: Options) -> None:
    """Load, scale, write everything again, and say what was found out."""
    quantities = read_known_quantities(options.known)
    if not quantities:
        raise InputError(
            "say what is known: --gps, --cameras FILE, --known-distance or --known-depth; see "
            "glance3d scale --help"
        )
    from glance3d.exporters import load_scene, write_scene_folder
    from glance3d.exporters.scene_folder import scene_folder
    from glance3d.metric_scale.known_quantities import in_metres

    output = options.output
    output.refuse_impossible()
    before = load_scene(options.scene)
    if not quantities.constraints_for(before):
        raise InputError("the known cameras hold no poses, and intrinsics alone give no scale")
    scene = in_metres(before, quantities)
    out = output.out or home_of(options.scene)
    with scene_folder(out, scene, overwrite=output.overwrite):
        paths = write_scene_folder(
            scene,
            out,
            percentile=output.confidence_percentile,
            max_points=output.max_points,
        )
    if options.json:
        print(to_json_text(scene.report.to_json()["metric_scale"], indent=1))
    else:
        print("\n".join([*metric_summary(scene.report), f"wrote {len(paths)} files to {out}/"]))
