"""``glance3d add``: more photos for a saved scene."""

import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from glance3d.cli.options.clips import ClipOptions
from glance3d.cli.options.known import KnownQuantities
from glance3d.cli.options.output import claim_photos, scene_folder
from glance3d.cli.options.photos import PhotoOptions, load_with_photos
from glance3d.cli.options.refinement import RefinementOptions, refined, refinement_summary
from glance3d.cli.terminal.skipped_files import skipped_summary
from glance3d.errors import InputError
from glance3d.files.atomic import to_json_text

if TYPE_CHECKING:
    from glance3d.models import VGGT


@dataclass(frozen=True)
class Options:
    """Add photos to a saved scene, without moving its cameras.

    The network sees the new photos together with some of the old ones, and those say where the new
    ones belong. With --refine the photos themselves decide; the cameras of a scene that was refined
    before are held then, too, unless --move-old is given.

    Example: glance3d add scene/ more/*.jpg --refine
    """

    scene: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SCENE")]
    """A scene.npz, or the folder that holds one."""
    photos: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="PHOTO...", help_behavior_hint="(at least one)"),
    ]
    """A folder of photos, photos, or globs in quotes."""
    masks: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Images called as the new photos: what is black counts nowhere. Old photos keep theirs."""
    out: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: the scene's own)")
    ] = None
    """Folder for the results; made if need be."""
    overwrite: bool = False
    """Allow to replace files there that Glance3D did not write, or that were changed since."""
    refine: bool = False
    """Register the new photos by their matches with the old ones."""
    move_old: bool = False
    """Let --refine move the old cameras as well."""
    refinement: Annotated[RefinementOptions, tyro.conf.arg(name="")] = field(
        default_factory=RefinementOptions
    )
    """How to refine."""
    clips: Annotated[ClipOptions, tyro.conf.arg(name="")] = field(default_factory=ClipOptions)
    """Which frames of clips become views."""
    anchors: Annotated[int, tyro.conf.arg(metavar="INT")] = 12
    """At most so many old photos are seen again beside the new ones."""
    window: Annotated[int | None, tyro.conf.arg(metavar="VIEWS", help_behavior_hint="")] = None
    """Approximate: so many photos at a time, in overlapping windows that are then joined."""
    overlap: Annotated[int | None, tyro.conf.arg(metavar="VIEWS", help_behavior_hint="")] = None
    """How many photos neighbouring windows share at least; by default a quarter of a window."""
    model: Annotated[
        str | None,
        tyro.conf.arg(metavar="NAME|FILE", help_behavior_hint="(default: the scene's own)"),
    ] = None
    """A known model (see glance3d models) or a weights file that glance3d train wrote."""
    weights: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """A .safetensors or .pt file to use instead of the model's own weights."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 ..."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the network's large products."""
    located: Annotated[PhotoOptions, tyro.conf.arg(name="")] = field(default_factory=PhotoOptions)
    """Where the old photos are."""
    json: bool = False
    """Print the report as JSON, and nothing else, to stdout."""
    progress: bool = False
    """Show progress bars also where stderr is no terminal."""


def run(options: Options) -> None:
    """Add, refine if asked, write everything again, and say what came of it."""
    if not options.photos:
        raise InputError("no photos given: glance3d add SCENE PHOTO...")
    if options.move_old and not options.refine:
        raise InputError("--move-old speaks of refinement: give --refine as well")

    from glance3d.exporters import write_scene_folder
    from glance3d.incremental import add_photos, held_cameras

    home = options.scene if options.scene.is_dir() else options.scene.parent
    out = options.out or home
    progress = options.progress or sys.stderr.isatty()
    before = load_with_photos(options.scene, options.located)

    def network() -> "VGGT":
        from glance3d.models import load_model
        from glance3d.models.zoo import known_name

        return load_model(
            options.model or known_name(before.model),
            weights=options.weights,
            device=options.device,
            precision=options.precision,
        )

    with scene_folder(out, before, overwrite=options.overwrite) as result:
        scene = add_photos(
            before,
            options.photos,
            folder=home / "images",
            model=options.model,
            weights=options.weights,
            device=options.device,
            precision=options.precision,
            max_anchors=options.anchors,
            window=options.window,
            overlap=options.overlap,
            masks=options.masks,
            fps=options.clips.fps,
            views=options.clips.views,
            on_loaded=partial(claim_photos, result),
            progress=progress,
        )
        if options.refine:
            hold = "refinement" in before.report and not options.move_old
            cameras = held_cameras(scene, before.num_views) if hold else None
            scene = refined(
                scene,
                options.refinement,
                KnownQuantities(cameras=cameras),
                network,
                photos=home / "images",
                progress=progress,
            )
        paths = write_scene_folder(scene, out, progress=progress)
    if options.json:
        print(to_json_text(scene.report, indent=1))
        return
    print(f"added {scene.num_views - before.num_views} photos: the scene has {scene.num_views} now")
    if options.refine:
        print("\n".join(refinement_summary(scene)))
    num_old = len(before.report.get("skipped", []))
    new_views = scene.report.get("views", [])[before.num_views :]
    for line in skipped_summary(new_views, scene.report.get("skipped", [])[num_old:]):
        print(line)
    print(f"wrote {len(paths)} files to {out}/")
