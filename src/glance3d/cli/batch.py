"""``glance3d batch``: many scenes from a list, on one machine or on many."""

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from glance3d.cli.options.flag import Flag
from glance3d.cli.options.overrides import with_overrides
from glance3d.cli.options.scene import SceneFlags
from glance3d.errors import BatchError, Glance3DError, InputError
from glance3d.files.atomic import to_json_text

if TYPE_CHECKING:
    from glance3d.batches.scenes import BatchScene
    from glance3d.models import Network
    from glance3d.pipeline import SceneRecipe

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Options(SceneFlags):
    """Many scenes, each in a folder of its own below DIR; run again, it goes on where it stopped.

    MANIFEST is a folder whose folders and clips are scenes, or a file of JSON lines, whose options
    are those below, for that scene alone:

      {"name": "castle", "photos": "castle/", "options": {"seed": 1}}

    A scene that fails is tried three times in all and then set aside with its reason.
    DIR/batch.json is the summary.

    Examples:
      glance3d batch scenes/ --out results/
      glance3d batch scenes.jsonl --out /shared/results/ --worker
    """

    manifest: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MANIFEST")]
    """A folder of scenes, or a file of JSON lines."""
    worker: Flag = False
    """Share the scenes with other workers: the same command anywhere, DIR on a shared disk."""
    ray: Annotated[
        str | None, tyro.conf.arg(metavar="auto|local|HOST:PORT", help_behavior_hint="")
    ] = None
    """Make the scenes on a Ray cluster; DIR and the photos are on a disk that it shares."""
    ray_workers: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Workers on the cluster; by default one a GPU, or one a machine where there is none."""
    retry: Flag = False
    """Try scenes again that were set aside."""
    redo: Flag = False
    """Make scenes again that are done, if their photos or options have changed since."""
    lease: Annotated[float, tyro.conf.arg(metavar="SECONDS")] = 120.0
    """A worker that shows no sign of life for so long is taken for lost."""
    json: Flag = False
    """Print the summary as JSON, and nothing else, to stdout."""
    progress: Flag = False
    """Show progress bars even where stderr is not a terminal."""


def run(options: Options) -> None:
    """Make what is not made yet, and say what became of all."""
    from glance3d.batches.front import BatchOptions, run_batch
    from glance3d.batches.resume import Again

    out = options.output.out
    settings = BatchOptions(
        options.worker,
        options.ray,
        options.ray_workers,
        Again(options.retry, options.redo),
        options.output.overwrite,
        options.lease,
    )
    source = options.model.source()
    scenes = list_scenes(options)
    progress = options.progress or sys.stderr.isatty()
    summary = run_batch(scenes, out, source, settings, progress=progress)
    if options.json:
        print(to_json_text(summary.to_json(), indent=1))
    else:
        print("\n".join([*summary.table(), f"wrote {out / 'batch.json'}"]))
    aside = summary.set_aside
    if aside:
        verb = "are" if len(aside) > 1 else "is"
        raise BatchError(
            f"{len(aside)} of {len(summary.scenes)} scenes {verb} set aside, having failed three "
            f"times: see {out}/.glance3d-batch/logs/, and try again with --retry"
        )


def list_scenes(options: Options) -> "list[BatchScene]":
    """All scenes, with what is to be done for each; refuses now what a scene could not be made by.

    Raises:
        Glance3DError: the manifest, or an option of a scene, cannot be used.
    """
    from glance3d.batches.manifest import read_manifest
    from glance3d.batches.scenes import BatchScene
    from glance3d.reconstruction import refuse_impossible_scene

    content = read_manifest(options.manifest, out=options.output.out)
    for note in content.notes:
        logger.info("%s", note)
    network, common, scenes = options.model.source().outline(), options.recipe(), []
    refuse_impossible_scene(network, common.inputs, common.passes)
    for entry in content.entries:
        recipe = common
        if entry.options:
            recipe = _recipe_of(options, network, entry.options, content.folder, entry.where)
        scenes.append(BatchScene(entry.name, entry.sources, recipe))
    return scenes


def _recipe_of(
    options: Options, network: "Network", values: Mapping[str, Any], folder: Path, where: str
) -> "SceneRecipe":
    from glance3d.reconstruction import refuse_impossible_scene

    changed = with_overrides(options, values, folder, where)
    try:
        recipe = changed.recipe()
        refuse_impossible_scene(network, recipe.inputs, recipe.passes)
        return recipe
    except Glance3DError as error:
        raise InputError(f"the options in {where} cannot be used: {error}") from error
