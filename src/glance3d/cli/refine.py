"""``glance3d refine``: a saved scene with cameras that the photos confirm."""

import sys
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from glance3d.cli.options.flag import Flag
from glance3d.cli.options.known import (
    MetricFlags,
    metric_summary,
    read_known_quantities,
)
from glance3d.cli.options.model import SceneWeightsFlags
from glance3d.cli.options.output import SceneFolderFlags, home_of
from glance3d.cli.options.photos import PhotoFlags, load_with_photos
from glance3d.cli.options.refinement import RefinementFlags, refined, refinement_summary
from glance3d.files.atomic import to_json_text

if TYPE_CHECKING:
    from glance3d.types import Reconstruction

_MASKS = (
    "Folder of masks, named like the photos; black pixels are excluded everywhere. Without it, "
    "the scene's own masks count."
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Verify and adjust a saved scene's cameras by feature matches; fit or measure its depth.

    The report says of every photo what its camera rests on. All files are written again.

    Example: glance3d refine scene/ --out refined/
    """

    scene: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SCENE")]
    """A scene.npz, or the folder that holds one."""
    masks: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help=_MASKS, help_behavior_hint="")
    ] = None
    json: Flag = False
    """Print the report as JSON, and nothing else, to stdout."""
    progress: Flag = False
    """Show progress bars even where stderr is not a terminal."""
    output: SceneFolderFlags = field(default_factory=SceneFolderFlags)
    model: SceneWeightsFlags = field(default_factory=SceneWeightsFlags)
    refinement: RefinementFlags = field(default_factory=RefinementFlags)
    located: Annotated[PhotoFlags, tyro.conf.arg(name="photo")] = field(default_factory=PhotoFlags)
    known: Annotated[MetricFlags, tyro.conf.arg(name="known quantity")] = field(
        default_factory=MetricFlags
    )


def run(options: Options) -> None:
    """Load, refine, write everything again, and say what came of it."""
    options.refinement.refuse_impossible()
    quantities = read_known_quantities(options.known)

    from glance3d.exporters import write_scene_folder
    from glance3d.exporters.scene_folder import scene_folder
    from glance3d.images import masks_of_scene
    from glance3d.metric_scale.known_quantities import in_metres
    from glance3d.reporting.making import describe_masks

    output, home = options.output, home_of(options.scene)
    output.refuse_impossible()
    out = output.out or home
    progress = options.progress or sys.stderr.isatty()
    before = load_with_photos(options.scene, options.located)
    if options.masks is not None:
        masks = masks_of_scene(options.masks, before)
        described = describe_masks(before.names, masks, before.mask_input)
        section = replace(before.report.photos, masks=described)
        report = replace(before.report, photos=section)
        before = replace(before, masks=masks, report=report).masked()

    with scene_folder(out, before, overwrite=output.overwrite):
        scene = refined(
            before,
            options.refinement,
            quantities,
            partial(options.model.load, before.model),
            photos=home / "images",
            progress=progress,
        )
        scene = in_metres(scene, quantities)
        paths = write_scene_folder(
            scene,
            out,
            percentile=output.confidence_percentile,
            max_points=output.max_points,
            progress=progress,
        )
    if options.json:
        print(to_json_text(scene.report.to_json(), indent=1))
    else:
        print("\n".join([*summary(scene), f"wrote {len(paths)} files to {out}/"]))


def summary(scene: "Reconstruction") -> list[str]:
    """What came of it, for a person."""
    return [*refinement_summary(scene), *metric_summary(scene.report)]
