"""``glance3d refine``: a saved scene with cameras that the photos confirm."""

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from glance3d.cli.options.known import (
    MetricOptions,
    in_metres,
    metric_summary,
    read_knowledge,
)
from glance3d.cli.options.output import scene_folder
from glance3d.cli.options.photos import PhotoOptions, load_with_photos
from glance3d.cli.options.refinement import RefinementOptions, refined, refinement_summary
from glance3d.files.atomic import to_json_text

if TYPE_CHECKING:
    from glance3d.models import VGGT
    from glance3d.types import Reconstruction


@dataclass(frozen=True)
class Options:
    """Refine a saved scene: match its photos, adjust its cameras, fit or measure its depth.

    The report says of every photo what its camera rests on. All files are written again.

    Example: glance3d refine scene/ --out refined/
    """

    scene: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SCENE")]
    """A scene.npz, or the folder that holds one."""
    out: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: the scene's own)")
    ] = None
    """Folder for the results; made if need be."""
    overwrite: bool = False
    """Allow to replace files there that Glance3D did not write, or that were changed since."""
    masks: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Images called as the photos: what is black counts nowhere. Else those the scene has."""
    refinement: Annotated[RefinementOptions, tyro.conf.arg(name="")] = field(
        default_factory=RefinementOptions
    )
    """How."""
    located: Annotated[PhotoOptions, tyro.conf.arg(name="")] = field(default_factory=PhotoOptions)
    """Where the photos are."""
    known: Annotated[MetricOptions, tyro.conf.arg(name="")] = field(default_factory=MetricOptions)
    """What is known."""
    weights: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """The weights file of the scene's model, where its tracks are wanted and it has none itself."""
    confidence_percentile: Annotated[float, tyro.conf.arg(metavar="PERCENT")] = 25.0
    """This share of the points, the least certain ones, is left out of point clouds."""
    max_points: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")] = None
    """At most this many points in a point cloud."""
    json: bool = False
    """Print the report as JSON, and nothing else, to stdout."""
    progress: bool = False
    """Show progress bars also where stderr is no terminal."""


def run(options: Options) -> None:
    """Load, refine, write everything again, and say what came of it."""
    knowledge = read_knowledge(options.known)

    from glance3d.exporters import ExportOptions, write_scene_folder
    from glance3d.images import masks_of_scene
    from glance3d.report import describe_masks

    ExportOptions(percentile=options.confidence_percentile, max_points=options.max_points)
    home = options.scene if options.scene.is_dir() else options.scene.parent
    out = options.out or home
    progress = options.progress or sys.stderr.isatty()
    before = load_with_photos(options.scene, options.located)
    if options.masks is not None:
        masks = masks_of_scene(options.masks, before)
        saw = (before.report.get("masks") or {}).get("network_saw") == "masked photos"
        report = {**before.report, "masks": describe_masks(before.names, masks, saw)}
        before = replace(before, masks=masks, report=report).masked()

    def network() -> "VGGT":
        from glance3d.models import load_model
        from glance3d.models.zoo import known_name

        return load_model(known_name(before.model), weights=options.weights)

    with scene_folder(out, before, overwrite=options.overwrite):
        scene = refined(
            before,
            options.refinement,
            knowledge,
            network,
            photos=home / "images",
            progress=progress,
        )
        scene = in_metres(scene, knowledge)
        paths = write_scene_folder(
            scene,
            out,
            percentile=options.confidence_percentile,
            max_points=options.max_points,
            progress=progress,
        )
    if options.json:
        print(to_json_text(scene.report, indent=1))
    else:
        print("\n".join([*summary(scene), f"wrote {len(paths)} files to {out}/"]))


def summary(scene: "Reconstruction") -> list[str]:
    """What came of it, for a person."""
    lines = refinement_summary(scene)
    return lines + (metric_summary(scene.report) if "metric_scale" in scene.report else [])
