"""``glance3d evaluate``: cameras and depth against the truth, method by method."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from glance3d.cli.options.flag import Flag
from glance3d.cli.options.model import ModelFlags
from glance3d.cli.options.output import FolderFlags
from glance3d.errors import InputError
from glance3d.files.atomic import save_bytes, save_json, to_json_text

if TYPE_CHECKING:
    from glance3d.evaluation import EvaluationSet
    from glance3d.models import Network

_WINDOW = "Also measure runs of this many neighbouring photos of each set, one run at a time."


@dataclass(frozen=True, kw_only=True)
class DataFlags:
    """What is measured on, beside the sets."""

    synthetic_scenes: Annotated[int, tyro.conf.arg(metavar="INT")] = 64
    """How many synthetic scenes of the test split; 0 for none."""
    synthetic_pixels: Annotated[int, tyro.conf.arg(metavar="INT")] = 128 * 128
    """At most this many pixels in a picture of a synthetic scene."""
    max_views: Annotated[int, tyro.conf.arg(metavar="INT")] = 32
    """Take this many photos of a larger set, evenly spaced."""
    window: Annotated[
        int | None, tyro.conf.arg(metavar="VIEWS", help=_WINDOW, help_behavior_hint="")
    ] = None


@dataclass(frozen=True, kw_only=True)
class MethodFlags:
    """What is measured beside the network and a trivial baseline."""

    refine: Flag = False
    """The refined cameras and depth."""
    densify: Flag = False
    """The densified depth; this refines first."""
    baselines: Annotated[
        tuple[Literal["colmap"], ...], tyro.conf.arg(metavar="NAME...", help_behavior_hint="")
    ] = ()
    """Other programs: colmap, its incremental mapping alone."""
    against: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """Older weights of the same network, to say whether the new ones are clearly better."""


@dataclass(frozen=True, kw_only=True)
class EvaluationFolderFlags(FolderFlags):
    """Where the results go."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Folder for evaluation.json, evaluation.txt and the predictions that were scored."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Measure a network's cameras and depth, and what refinement makes of them, beside baselines.

    On fresh synthetic scenes, and on folders of photos with true cameras (images/, cameras.json,
    optionally depth/). All methods are measured under one protocol, which is printed with the
    numbers. Refinement, densification and COLMAP need photos: they skip synthetic scenes.

    Example: glance3d evaluate photo_sets/* --refine --densify --baselines colmap
    """

    sets: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="DIR...")] = ()
    """Folders with photos and their true cameras."""
    json: Flag = False
    """Print JSON instead of the table."""
    model: ModelFlags = field(default_factory=ModelFlags)
    data: DataFlags = field(default_factory=DataFlags)
    methods: Annotated[MethodFlags, tyro.conf.arg(name="method")] = field(
        default_factory=MethodFlags
    )
    output: EvaluationFolderFlags = field(default_factory=EvaluationFolderFlags)


def run(options: Options) -> None:
    """Measure the network, or say what cannot be measured."""
    if not options.sets and options.data.synthetic_scenes < 1:
        raise InputError("nothing to evaluate on: name photo sets, or ask for synthetic scenes")
    if options.output.out is None:
        measure(options, None)
        return

    from glance3d.results import Claims, open_result

    with open_result(options.output.out, overwrite=options.output.overwrite) as result:
        result.claim(Claims(("evaluation.json", "evaluation.txt"), folders=("predictions",)))
        with result.staged(complete=True) as staging:
            measure(options, staging.folder)


def measure(options: Options, out: Path | None) -> None:
    """Predict every set, score the predictions, and write and print the numbers."""
    from glance3d.evaluation import Gate, evaluate

    model = options.model.source().load()
    sets = build_sets(options, model)
    predictions = None if out is None else out / "predictions"
    methods = chosen_methods(options)
    report = evaluate(model, sets, predictions, methods=methods, progress=True)
    shown = report
    if options.methods.against is not None:
        older = load_older(options, model)
        shown = Gate(evaluate(older, sets, methods=methods, progress=True), report)
    if out is not None:
        save_json(out / "evaluation.json", shown.to_dict())
        save_bytes(out / "evaluation.txt", f"{shown.to_table()}\n".encode())
    print(to_json_text(shown.to_dict(), indent=1) if options.json else shown.to_table())


def load_older(options: Options, model: "Network") -> "Network":
    """The network of ``--against``: of the same name, and with the same patches."""
    from glance3d.models import ModelSource

    assert options.methods.against is not None
    older = ModelSource(
        model.config.name,
        options.methods.against,
        options.model.device,
        options.model.precision,
        options.model.commercial_only,
    ).load()
    if older.config.patch_size != model.config.patch_size:
        raise InputError(
            f"the networks have patches of {older.config.patch_size} and "
            f"{model.config.patch_size} pixels: they cannot be measured on the same images"
        )
    return older


def chosen_methods(options: Options) -> list[str]:
    """The network and the trivial baseline, and what was asked for."""
    refined = ["refined"] if options.methods.refine else []
    densified = ["densified"] if options.methods.densify else []
    return ["network", *refined, *densified, "trivial", *options.methods.baselines]


def build_sets(options: Options, model: "Network") -> list["EvaluationSet"]:
    """The synthetic scenes, then the folders in the order they were named."""
    from glance3d.datasets import SyntheticConfig
    from glance3d.evaluation import photo_set, synthetic_set

    sets = []
    if options.data.synthetic_scenes > 0:
        data = SyntheticConfig(
            size_multiple=model.config.patch_size, max_pixels=options.data.synthetic_pixels
        )
        sets.append(synthetic_set(data, options.data.synthetic_scenes))
    for folder in options.sets:
        photos = photo_set(folder, model.preprocessing, options.data.max_views)
        sets.append(photos)
        if (
            options.data.window is not None
            and (windows := photos.in_windows(options.data.window)).scenes
        ):
            sets.append(windows)
    return sets
