"""``glance3d evaluate``: cameras and depth against the truth, method by method."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from glance3d.errors import InputError
from glance3d.files.atomic import save_bytes, save_json, to_json_text

if TYPE_CHECKING:
    from glance3d.evaluation import EvaluationSet
    from glance3d.models import VGGT


@dataclass(frozen=True)
class Options:
    """Measure a network's cameras and depth, and what refinement makes of them, beside baselines.

    On fresh synthetic scenes, and on folders of photos with true cameras (images/, cameras.json,
    optionally depth/). All are measured under one protocol, which is printed with the numbers.
    Refinement, densification and COLMAP need photos: synthetic scenes are left out there.

    Example: glance3d evaluate photo_sets/* --refine --densify --baselines colmap
    """

    sets: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="DIR...")] = ()
    """Folders with photos and their true cameras."""
    model: Annotated[str, tyro.conf.arg(metavar="NAME|FILE")] = "glance-small"
    """A known model (see glance3d models) or a weights file that glance3d train wrote."""
    weights: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """A .safetensors or .pt file to use instead of the model's own weights."""
    against: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """Older weights: measure them too, and say whether the new ones are clearly better."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 ..."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the network's large products."""
    refine: bool = False
    """Measure the refined cameras and depth, too."""
    densify: bool = False
    """Measure the densified depth, too; this refines first."""
    baselines: Annotated[tuple[Literal["colmap"], ...], tyro.conf.arg(metavar="NAME...")] = ()
    """What else to measure beside the trivial baseline: colmap, its incremental mapping alone."""
    synthetic_scenes: Annotated[int, tyro.conf.arg(metavar="INT")] = 64
    """How many synthetic scenes of the test split; 0 for none."""
    synthetic_pixels: Annotated[int, tyro.conf.arg(metavar="INT")] = 128 * 128
    """Of a synthetic scene's pictures: at most so many."""
    max_views: Annotated[int, tyro.conf.arg(metavar="INT")] = 32
    """Of a set with more photos this many are taken, evenly spaced."""
    window: Annotated[int | None, tyro.conf.arg(metavar="VIEWS", help_behavior_hint="")] = None
    """Then measure every so many neighbours of a set as well, one window at a time."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Folder for evaluation.json, evaluation.txt and the predictions that were scored."""
    overwrite: bool = False
    """Allow to replace files there that Glance3D did not write, or that were changed since."""
    json: bool = False
    """Print JSON instead of the table."""


def run(options: Options) -> None:
    """Measure the network, or say what cannot be measured."""
    if not options.sets and options.synthetic_scenes < 1:
        raise InputError("nothing to evaluate on: name photo sets, or ask for synthetic scenes")
    if options.out is None:
        measure(options, None)
        return

    from glance3d.results import Claims, open_result

    with open_result(options.out, overwrite=options.overwrite) as result:
        result.claim(Claims(("evaluation.json", "evaluation.txt"), folders=("predictions",)))
        with result.staged(complete=True) as staging:
            measure(options, staging.folder)


def measure(options: Options, out: Path | None) -> None:
    """Predict every set, score the predictions, and write and print the numbers."""
    from glance3d.evaluation import Gate, evaluate
    from glance3d.models import load_model

    model = load_model(options.model, options.weights, options.device, options.precision)
    sets = build_sets(options, model)
    predictions = None if out is None else out / "predictions"
    methods = chosen_methods(options)
    report = evaluate(model, sets, predictions, methods=methods, progress=True)
    shown = report
    if options.against is not None:
        older = load_older(options, model)
        shown = Gate(evaluate(older, sets, methods=methods, progress=True), report)
    if out is not None:
        save_json(out / "evaluation.json", shown.to_dict())
        save_bytes(out / "evaluation.txt", f"{shown.to_table()}\n".encode())
    print(to_json_text(shown.to_dict(), indent=1) if options.json else shown.to_table())


def load_older(options: Options, model: "VGGT") -> "VGGT":
    """The network of ``--against``: of the same name, and with the same patches."""
    from glance3d.models import load_model

    assert options.against is not None
    older = load_model(model.config.name, options.against, options.device, options.precision)
    if older.config.patch_size != model.config.patch_size:
        raise InputError(
            f"the networks have patches of {older.config.patch_size} and "
            f"{model.config.patch_size} pixels: they cannot be measured on the same images"
        )
    return older


def chosen_methods(options: Options) -> list[str]:
    """The network and the trivial baseline, and what was asked for."""
    refined = ["refined"] if options.refine else []
    densified = ["densified"] if options.densify else []
    return ["network", *refined, *densified, "trivial", *options.baselines]


def build_sets(options: Options, model: "VGGT") -> list["EvaluationSet"]:
    """The synthetic scenes, then the folders in the order they were named."""
    from glance3d.datasets import SyntheticConfig
    from glance3d.evaluation import photo_set, synthetic_set

    sets = []
    if options.synthetic_scenes > 0:
        data = SyntheticConfig(
            size_multiple=model.config.patch_size, max_pixels=options.synthetic_pixels
        )
        sets.append(synthetic_set(data, options.synthetic_scenes))
    for folder in options.sets:
        photos = photo_set(folder, model.preprocessing, options.max_views)
        sets.append(photos)
        if options.window is not None and (windows := photos.in_windows(options.window)).scenes:
            sets.append(windows)
    return sets
