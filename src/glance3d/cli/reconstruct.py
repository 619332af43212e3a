"""``glance3d reconstruct``: photos become cameras, depth and a point cloud."""

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from glance3d.cli.options.flag import Flag
from glance3d.cli.options.known import metric_summary
from glance3d.cli.options.ranks import RankFlags
from glance3d.cli.options.refinement import refinement_summary
from glance3d.cli.options.scene import SceneFlags
from glance3d.cli.terminal.command_line import with_model
from glance3d.cli.terminal.plan_memory import memory_lines
from glance3d.cli.terminal.ranks import joined_ranks
from glance3d.cli.terminal.skipped_files import skipped_summary
from glance3d.errors import InputError
from glance3d.files.atomic import to_json_text
from glance3d.text import counted, named_groups

if TYPE_CHECKING:
    from glance3d.models import ModelSource
    from glance3d.pipeline import SceneRecipe
    from glance3d.types import Reconstruction, Report


@dataclass(frozen=True, kw_only=True)
class Options(SceneFlags):
    """Cameras, depth and a point cloud from photos or a video, in one forward pass of a network.

    A single forward pass is only an estimate: --refine verifies it against feature matches. Files
    of an earlier run in the output folder are replaced together, once all new ones are complete;
    nothing else there is touched.

    Examples:
      glance3d reconstruct photos/ --out scene/
      glance3d reconstruct clip.mp4 --views 20 --out scene/
      torchrun --nproc-per-node 8 -m glance3d reconstruct photos/ --out scene/
    """

    sources: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="SOURCE...", help_behavior_hint="(at least one)"),
    ]
    """Photos, clips, folders of them, or globs in quotes."""
    plan: Flag = False
    """Print how much memory this would take, and stop."""
    json: Flag = False
    """Print the report as JSON, and nothing else, to stdout."""
    progress: Flag = False
    """Show progress bars even where stderr is not a terminal."""
    ranks: RankFlags = field(default_factory=RankFlags)


def run(options: Options) -> None:
    """Reconstruct, write everything, and say what was written."""
    if not options.sources:
        raise InputError("got no photos: glance3d reconstruct PHOTOS --out DIR")
    source = options.model.source()
    if options.plan:
        passes, inputs = options.passes.options(), options.input.options(options.clips)
        group, out = options.ranks.planned_group(), options.output.out
        if group.is_first:
            print("\n".join(memory_lines(options.sources, source, inputs, passes, group, out)))
        return
    options.ranks.refuse_impossible()
    recipe = options.recipe()
    with joined_ranks(options.ranks.keys) as group:
        if group.is_first:
            _make(options, source, recipe)
            return

        from glance3d.pipeline import take_part

        take_part(options.sources, source, recipe)


def _make(options: Options, source: "ModelSource", recipe: "SceneRecipe") -> None:
    from glance3d.pipeline import make_scene

    output = options.output
    made = make_scene(
        options.sources,
        source,
        recipe,
        output.out,
        overwrite=output.overwrite,
        progress=options.progress or sys.stderr.isatty(),
    )
    if options.json:
        print(to_json_text(made.report.to_json(), indent=1))
    else:
        print("\n".join(summary(made.scene, made.report, output.out, made.paths)))


def summary(scene: "Reconstruction", report: "Report", out: Path, paths: list[Path]) -> list[str]:
    """What was done, what was written, and what to do next, for a person."""
    from glance3d.exporters.world_text import describe_units, describe_world

    made, photos, times = report.made, report.photos, report.times or {}
    return [
        f"reconstructed {counted(scene.num_views, 'photo')} with {scene.model} "
        f"({made.model.weights.licence or 'unknown licence'}) on "
        f"{(made.machine or {}).get('device')} in {times.get('total', 0):.1f} s",
        *reference_summary(made.reference or {}),
        *window_summary(made.windows or {}),
        *group_summary(scene.report),
        *given_summary(made.given_cameras or {}),
        *mask_summary(scene),
        f"the world is {describe_world(scene.world, scene.names[scene.reference_view])}; "
        f"{describe_units(scene.units)}",
        *refinement_summary(scene),
        *metric_summary(report),
        f"wrote {len(paths)} files to {out}/:",
        *(f"  {line}" for line in _by_folder(out, paths)),
        *skipped_summary(photos.views or (), photos.skipped or ()),
        *better_model_summary(scene),
        f"next: open {out / 'scene.html'} in a browser, or glance3d export {out} --help",
    ]


def reference_summary(reference: Mapping[str, Any]) -> list[str]:
    """Which photo the network saw first, and why, if that was asked for."""
    if reference.get("asked", "first") == "first":
        return []
    return [f"the network saw {reference['view']} first: {reference['reason']}"]


def window_summary(windows: Mapping[str, Any]) -> list[str]:
    """That the scene is approximate, if it is, and how well its parts agree."""
    if not windows.get("approximate"):
        return []
    about = f"approximate: {windows['num_windows']} windows of {windows['views']} photos"
    if joins := windows["joins"]:
        about += (
            f", joined; cameras agree within {max(join['rotation_deg'] for join in joins):.1f} "
            f"degrees, depth within {max(join['depth_spread'] for join in joins):.0%} where they "
            "meet"
        )
    if loops := windows["loops"]:
        about += f"; {sum(loop['accepted'] for loop in loops)} of {len(loops)} likely loops closed"
    lines = [about]
    if groups := windows["components"]:
        lines.append(
            f"the photos fall into {len(groups)} groups that share nothing, each in a world and at "
            f"a scale of its own: {named_groups(groups)}"
        )
    return lines


def group_summary(report: "Report") -> list[str]:
    """That the network finds nothing in common between some photos and others."""
    from glance3d.reporting.warnings import GROUPS

    if not any(warning.code == GROUPS for warning in report.warnings):
        return []
    groups = report.made.groups or ()
    return [
        f"the network finds nothing in common between {len(groups)} groups of photos, which may be "
        f"different scenes: {named_groups(groups)}"
    ]


def given_summary(given: Mapping[str, Any]) -> list[str]:
    """That known cameras went into the network, and how far it predicts others."""
    if not given.get("to_network"):
        return []
    differences = [fit["disagreement"] for fit in given["passes"] if fit is not None]
    if not differences:
        return ["the known cameras went into the network; they tell depth no unit of length"]
    return [
        "the known cameras went into the network, which predicts them within "
        f"{max(differences):.1%} of their spread"
    ]


def mask_summary(scene: "Reconstruction") -> list[str]:
    """How many photos have masks, and how much these keep."""
    shares = [mask.share for mask in scene.masks if mask is not None]
    if not shares:
        return []
    mean = sum(shares) / len(shares)
    return [f"{len(shares)} of {scene.num_views} photos have a mask; the masks keep {mean:.0%}"]


def better_model_summary(scene: "Reconstruction") -> list[str]:
    """The commands that try a more accurate model, where the report recommends one."""
    from glance3d.models.weights.cards import CARDS
    from glance3d.models.weights.choice import better_free_model
    from glance3d.models.weights.fetch import find_weights
    from glance3d.reporting.better_model import BETTER_MODEL

    better = better_free_model(CARDS.get(scene.model))
    if better is None or not any(w.code == BETTER_MODEL for w in scene.report.warnings):
        return []
    fetch = [] if find_weights(better) else [f"  glance3d models --fetch {better.name}"]
    return [
        "these cameras are doubtful; a more accurate model is free:",
        *fetch,
        f"  {with_model(better.name)}",
    ]


def _by_folder(out: Path, paths: list[Path]) -> list[str]:
    """Single files by name, the files of a folder by their number."""
    names = [path.relative_to(out) for path in paths]
    counts = Counter(name.parent for name in names)
    folders = {name.parent: counts[name.parent] for name in names if name.parent != Path()}
    return [
        *(str(name) for name in names if name.parent == Path()),
        *(f"{folder}/ ({count} files)" for folder, count in folders.items()),
    ]
