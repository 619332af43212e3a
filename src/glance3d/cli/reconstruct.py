"""``glance3d reconstruct``: photos become cameras, depth and a point cloud."""

import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from glance3d.cli.options.clips import ClipOptions
from glance3d.cli.options.known import MetricOptions, in_metres, metric_summary, read_knowledge
from glance3d.cli.options.output import claim_photos, scene_folder
from glance3d.cli.options.refinement import RefinementOptions, refined, refinement_summary
from glance3d.cli.terminal.skipped_files import skipped_summary
from glance3d.errors import InputError
from glance3d.files.atomic import save_json, to_json_text

if TYPE_CHECKING:
    from glance3d.models import VGGT
    from glance3d.results import ResultFolder
    from glance3d.types import Reconstruction


@dataclass(frozen=True)
class Options:
    """Photos or a video become cameras, depth and a point cloud, by one pass of a network.

    The files of an earlier run in the output folder are replaced as one when all new ones are
    whole; nothing else in that folder is touched.

    Example: glance3d reconstruct photos/ --out scene/
    Example: glance3d reconstruct clip.mp4 --views 20 --out scene/
    """

    sources: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="SOURCE...", help_behavior_hint="(at least one)"),
    ]
    """Photos, clips, folders of them, or globs in quotes."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder for the results; made if need be."""
    overwrite: bool = False
    """Allow to replace files there that Glance3D did not write, or that were changed since."""
    model: Annotated[str, tyro.conf.arg(metavar="NAME|FILE")] = "glance-small"
    """A known model (see glance3d models) or a weights file that glance3d train wrote."""
    weights: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """A .safetensors or .pt file to use instead of the model's own weights."""
    clips: Annotated[ClipOptions, tyro.conf.arg(name="")] = field(default_factory=ClipOptions)
    """Which frames of clips become views."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 ..."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the network's large products; cameras and geometry are always float32."""
    preprocess: Literal["model", "fit", "crop", "pad"] = "model"
    """The model's own way, the whole photo at its aspect ratio, or VGGT's published ways."""
    max_pixels: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")] = None
    """Pixels a view that the network sees in fit: fewer are faster and take less memory."""
    outputs: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME...")] = ("camera", "depth")
    """What to predict, of camera, depth, points and tracks."""
    query: Annotated[tuple[str, ...], tyro.conf.arg(metavar="X,Y...", help_behavior_hint="")] = ()
    """Pixels of the original reference photo to follow through all views."""
    masks: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Images called as the photos: what is black is in no depth, point, track or export."""
    mask_input: bool = False
    """Hide that from the network as well; silhouettes mislead it, so it sees whole photos."""
    reference: Annotated[str, tyro.conf.arg(metavar="first|auto|PHOTO")] = "first"
    """The photo that the network sees first; auto is the one most like the others."""
    attention: Literal["full", "thin"] = "full"
    """thin is approximate: faster from 9 views on, by fewer keys in the global layers."""
    window: Annotated[int | None, tyro.conf.arg(metavar="VIEWS", help_behavior_hint="")] = None
    """Approximate: so many photos at a time, in overlapping windows that are then joined."""
    overlap: Annotated[int | None, tyro.conf.arg(metavar="VIEWS", help_behavior_hint="")] = None
    """How many photos neighbouring windows share at least; by default a quarter of a window."""
    plan: bool = False
    """Say how much memory this would take, and stop."""
    confidence_percentile: Annotated[float, tyro.conf.arg(metavar="PERCENT")] = 25.0
    """This share of the points, the least certain ones, is left out of point clouds."""
    max_points: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")] = None
    """At most this many points in a point cloud."""
    refine: bool = False
    """Then let the photos confirm and adjust the cameras (see glance3d refine)."""
    refinement: Annotated[RefinementOptions, tyro.conf.arg(name="")] = field(
        default_factory=RefinementOptions
    )
    """How; --densify refines, too."""
    known: Annotated[MetricOptions, tyro.conf.arg(name="")] = field(default_factory=MetricOptions)
    """What is known; cameras are held by --refine, else they give focal lengths, size and frame."""
    json: bool = False
    """Print the report as JSON, and nothing else, to stdout."""
    progress: bool = False
    """Show progress bars also where stderr is no terminal."""


def run(options: Options) -> None:
    """Reconstruct, write everything, and say what was written."""
    if not options.sources:
        raise InputError("no photos given: glance3d reconstruct PHOTOS --out DIR")
    if options.plan:
        print("\n".join(_plan(options)))
        return
    options.clips.sampling()  # refused early
    queries = parse_pixels(options.query)
    knowledge = read_knowledge(options.known)

    from glance3d.exporters import ExportOptions
    from glance3d.reconstruction import reconstruct

    # Refuse now what would only come to light after the network has run, which can take long.
    ExportOptions(percentile=options.confidence_percentile, max_points=options.max_points)
    with scene_folder(options.out, overwrite=options.overwrite) as result:
        progress = options.progress or sys.stderr.isatty()
        scene = reconstruct(
            options.sources,
            model=options.model,
            weights=options.weights,
            device=options.device,
            precision=options.precision,
            preprocess=preprocessing_changes(options),
            outputs=split_commas(options.outputs),
            query_points=queries or None,
            attention=options.attention,
            window=options.window,
            overlap=options.overlap,
            fps=options.clips.fps,
            views=options.clips.views,
            masks=options.masks,
            mask_input=options.mask_input,
            reference=options.reference,
            known=knowledge.cameras,
            on_loaded=partial(claim_photos, result),
            progress=progress,
        )
        if options.refine or options.refinement.densify:
            scene = refined(
                scene, options.refinement, knowledge, lambda: _network(options), progress=progress
            )
        scene = in_metres(scene, knowledge)
        report, paths = write(scene, options, result, progress)
    if options.json:
        print(to_json_text(report, indent=1))
    else:
        print("\n".join(summary(scene, report, options.out, paths)))


def _plan(options: Options) -> list[str]:
    from glance3d.cli.plan_memory import memory_lines

    return memory_lines(
        options.sources,
        model=options.model,
        weights=options.weights,
        device=options.device,
        precision=options.precision,
        preprocess=preprocessing_changes(options),
        outputs=(*split_commas(options.outputs), *(("tracks",) if options.query else ())),
        sampling=options.clips.sampling(),
        window=options.window,
        overlap=options.overlap,
    )


def _network(options: Options) -> "VGGT":
    """The network once more, for its tracks; a known model's weights are at hand by now."""
    from glance3d.models import load_model

    return load_model(
        options.model,
        weights=options.weights,
        device=options.device,
        precision=options.precision,
    )


def preprocessing_changes(options: Options) -> dict[str, Any]:
    """What was asked to differ from the model's own preprocessing."""
    changes: dict[str, Any] = {}
    if options.preprocess != "model":
        changes["mode"] = options.preprocess
    if options.max_pixels is not None:
        changes["max_pixels"] = options.max_pixels
    return changes


def parse_pixels(words: tuple[str, ...]) -> list[tuple[float, float]]:
    """``("10,20", ...)`` as pixels (x, y)."""
    pixels = []
    for word in words:
        try:
            x, y = map(float, word.split(","))
        except ValueError:
            raise InputError(f"a query is a pixel such as 320,240, got {word!r}") from None
        pixels.append((x, y))
    return pixels


def split_commas(words: tuple[str, ...]) -> tuple[str, ...]:
    """Both ``camera depth`` and ``camera,depth`` are understood."""
    return tuple(part for word in words for part in word.split(",") if part)


def write(
    scene: "Reconstruction", options: Options, result: "ResultFolder", progress: bool
) -> tuple[dict[str, Any], list[Path]]:
    """Write every format, then the report once more, which now knows how long writing took."""
    from glance3d.exporters import write_scene_folder
    from glance3d.report import peak_process_memory

    start = time.perf_counter()
    with result.staged(complete=True) as staging:
        paths = write_scene_folder(
            scene,
            options.out,
            percentile=options.confidence_percentile,
            max_points=options.max_points,
            progress=progress,
        )
        seconds = round(time.perf_counter() - start, 4)
        report_path = staging.folder / "report.json"
        report = json.loads(report_path.read_text(encoding="utf-8"))
        total = round(report["times"]["total"] + seconds, 4)
        report["times"] = {**report["times"], "write": seconds, "total": total}
        report["memory"]["peak_process"] = peak_process_memory()  # writing may take the most
        save_json(report_path, report)
    return report, paths


def summary(
    scene: "Reconstruction", report: dict[str, Any], out: Path, paths: list[Path]
) -> list[str]:
    """What was done, what was written, and what to do next, for a person."""
    from glance3d.exporters.world_text import describe_units, describe_world

    weights, times = report["model"]["weights"], report["times"]
    licence = weights["licence"] or "unknown licence"
    return [
        f"reconstructed {report['num_views']} photos with {report['model']['name']} ({licence}) "
        f"on {report['machine']['device']} in {times['total']:.1f} s",
        *reference_summary(report),
        *window_summary(report),
        *mask_summary(scene),
        f"the world is {describe_world(report['world'], report['reference_view'])}; "
        f"{describe_units(report['units'])}",
        *(refinement_summary(scene) if "refinement" in report else []),
        *(metric_summary(report) if "metric_scale" in report else []),
        f"wrote {len(paths)} files to {out}/:",
        *(f"  {line}" for line in _by_folder(out, paths)),
        *skipped_summary(report["views"], report["skipped"]),
        f"next: open {out / 'scene.html'} in a browser, or glance3d export {out} --help",
    ]


def reference_summary(report: dict[str, Any]) -> list[str]:
    """Which photo the network saw first, and why, if that was asked for."""
    chosen = report.get("reference", {})
    if chosen.get("asked", "first") == "first":
        return []
    return [f"the network saw {chosen['view']} first: {chosen['reason']}"]


def window_summary(report: dict[str, Any]) -> list[str]:
    """That the scene is approximate, if it is, and how well its parts agree."""
    windows = report.get("windows")
    if not windows or not windows["approximate"]:
        return []
    joins = windows["joins"]
    return [
        f"approximate: {windows['num_windows']} windows of {windows['views']} photos, joined; "
        f"cameras agree within {max(join['rotation_deg'] for join in joins):.1f} degrees, depth "
        f"within {max(join['depth_spread'] for join in joins):.0%} where they meet"
    ]


def mask_summary(scene: "Reconstruction") -> list[str]:
    """How many photos have masks, and how much these keep."""
    shares = [mask.share for mask in scene.masks if mask is not None]
    if not shares:
        return []
    mean = sum(shares) / len(shares)
    return [f"{len(shares)} of {scene.num_views} photos have a mask; the masks keep {mean:.0%}"]


def _by_folder(out: Path, paths: list[Path]) -> list[str]:
    """Single files by name, the files of a folder by their number."""
    names = [path.relative_to(out) for path in paths]
    counts = Counter(name.parent for name in names)
    folders = {name.parent: counts[name.parent] for name in names if name.parent != Path()}
    return [
        *(str(name) for name in names if name.parent == Path()),
        *(f"{folder}/ ({count} files)" for folder, count in folders.items()),
    ]
