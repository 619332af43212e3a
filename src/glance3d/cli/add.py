"""``glance3d add``: more photos for a saved scene."""

import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from glance3d.cli.options.clips import ClipFlags
from glance3d.cli.options.flag import Flag
from glance3d.cli.options.model import SceneModelFlags
from glance3d.cli.options.output import FolderFlags, home_of
from glance3d.cli.options.passes import WindowFlags
from glance3d.cli.options.photos import PhotoFlags, load_with_photos
from glance3d.cli.options.refinement import (
    OptionalRefinementFlags,
    refined,
    refinement_summary,
)
from glance3d.cli.terminal.skipped_files import skipped_summary
from glance3d.errors import InputError
from glance3d.files.atomic import to_json_text
from glance3d.text import counted

_MASKS = (
    "Folder of masks, named like the new photos; black pixels are excluded everywhere. Old photos "
    "keep theirs."
)


@dataclass(frozen=True)
class MovingRefinementFlags(OptionalRefinementFlags):
    """Whether and how cameras are refined, the old ones as well."""

    move_old: Flag = False
    """Let --refine move the old cameras as well."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Add photos to a saved scene, without moving its cameras.

    The network sees the new photos together with some of the old ones, whose known cameras place
    the new ones. With --refine, feature matches decide; if the scene was refined before, its
    cameras are held fixed then, too, unless --move-old is given.

    Example: glance3d add scene/ more/*.jpg --refine
    """

    scene: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SCENE")]
    """A scene.npz, or the folder that holds one."""
    photos: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="PHOTO...", help_behavior_hint="(at least one)"),
    ]
    """New photos or clips, folders of them, or globs in quotes."""
    masks: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help=_MASKS, help_behavior_hint="")
    ] = None
    anchors: Annotated[int, tyro.conf.arg(metavar="INT")] = 12
    """Show the network at most this many old photos beside the new ones."""
    json: Flag = False
    """Print the report as JSON, and nothing else, to stdout."""
    progress: Flag = False
    """Show progress bars even where stderr is not a terminal."""
    output: FolderFlags = field(default_factory=FolderFlags)
    model: SceneModelFlags = field(default_factory=SceneModelFlags)
    clips: Annotated[ClipFlags, tyro.conf.arg(name="clip")] = field(default_factory=ClipFlags)
    passes: Annotated[WindowFlags, tyro.conf.arg(name="pass")] = field(default_factory=WindowFlags)
    refinement: MovingRefinementFlags = field(default_factory=MovingRefinementFlags)
    located: Annotated[PhotoFlags, tyro.conf.arg(name="old photo")] = field(
        default_factory=PhotoFlags
    )


def run(options: Options) -> None:
    """Add, refine if asked, write everything again, and say what came of it."""
    if not options.photos:
        raise InputError("got no photos: glance3d add SCENE PHOTO...")
    options.refinement.refuse_impossible()
    if options.refinement.move_old and not options.refinement.refine:
        raise InputError("--move-old is an option of refinement: give --refine as well")
    passes, sampling = options.passes.options(), options.clips.sampling()

    from glance3d.exporters import write_scene_folder
    from glance3d.exporters.scene_folder import claim_photos, scene_folder
    from glance3d.images import InputOptions
    from glance3d.incremental import extend_scene, held_cameras
    from glance3d.metric_scale.known_quantities import KnownQuantities

    home = home_of(options.scene)
    out = options.output.out or home
    progress = options.progress or sys.stderr.isatty()
    before = load_with_photos(options.scene, options.located)
    source = options.model.source(before.model)
    with scene_folder(out, before, overwrite=options.output.overwrite) as result:
        scene = extend_scene(
            before,
            options.photos,
            source,
            InputOptions(masks=options.masks, clips=sampling),
            passes,
            folder=home / "images",
            max_anchors=options.anchors,
            on_loaded=partial(claim_photos, result),
            progress=progress,
        )
        if options.refinement.refine:
            hold = bool(before.registered_by) and not options.refinement.move_old
            cameras = held_cameras(scene, before.num_views) if hold else None
            scene = refined(
                scene,
                options.refinement,
                KnownQuantities(cameras=cameras),
                source.load,
                photos=home / "images",
                progress=progress,
            )
        paths = write_scene_folder(scene, out, progress=progress)
    if options.json:
        print(to_json_text(scene.report.to_json(), indent=1))
        return
    added = counted(scene.num_views - before.num_views, "photo")
    print(f"added {added}: the scene has {scene.num_views} now")
    if options.refinement.refine:
        print("\n".join(refinement_summary(scene)))
    old, new = before.report.photos, scene.report.photos
    views, skipped = new.views or (), new.skipped or ()
    num_old = len(old.skipped or ())
    for line in skipped_summary(views[before.num_views :], skipped[num_old:]):
        print(line)
    print(f"wrote {len(paths)} files to {out}/")
