"""``glance3d evaluate``: cameras and depth against the truth, method by method."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from glance3d.cli.options.flag import Flag
from glance3d.cli.options.model import ModelFlags
from glance3d.cli.options.output import FolderFlags
from glance3d.errors import InputError
from glance3d.files.atomic import save_bytes, save_json, to_json_text

if TYPE_CHECKING:
    from glance3d.evaluation import EvaluationReport, EvaluationSet, Gate
    from glance3d.evaluation.protocols import ProtocolResult
    from glance3d.models import Network

_PROTOCOL = (
    "re10k-10, co3dv2-10, co3dv2-depth, eth3d-100, dtu-22, 7-scenes-11, tum-rgbd-fr1, "
    "scannet-1500, nrgbd-50, sintel-depth, sintel-pose, bonn-depth, kitti-depth or kitti-odometry."
)
_PASS_WINDOW = "Show the network this many frames at a time, in overlapping windows (approximate)."
_WINDOW = "Also measure runs of this many neighbouring photos of each set, one run at a time."


@dataclass(frozen=True, kw_only=True)
class DataFlags:
    """What is measured on, beside the sets."""

    synthetic_scenes: Annotated[int, tyro.conf.arg(metavar="INT")] = 64
    """How many synthetic scenes of the test split; 0 for none."""
    synthetic_pixels: Annotated[int, tyro.conf.arg(metavar="INT")] = 128 * 128
    """At most this many pixels in a picture of a synthetic scene, which is then made ready as a
    photo of that size is."""
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
class ProtocolFlags:
    """A protocol of the field instead of sets, on a data set in its own layout."""

    protocol: Annotated[
        str | None, tyro.conf.arg(metavar="NAME", help=_PROTOCOL, help_behavior_hint="")
    ] = None
    data: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """The data set's folder (docs/evaluation.md has every layout)."""
    frames: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """Look at these frames instead of the protocol's: JSON, a list of names for each scene."""
    scenes: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME...", help_behavior_hint="")] = ()
    """Only these scenes, or categories of them."""
    max_frames: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")] = None
    """Take this many frames of a scene with more, evenly spaced."""
    pass_window: Annotated[
        int | None, tyro.conf.arg(metavar="VIEWS", help=_PASS_WINDOW, help_behavior_hint="")
    ] = None

    @property
    def is_given(self) -> bool:
        """Whether anything of a protocol was asked for."""
        return self != ProtocolFlags()


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
    numbers. Refinement, densification and COLMAP need photos: they skip synthetic scenes. With
    --protocol, on a data set of the field by a protocol of its own, beside published numbers.

    Example: glance3d evaluate photo_sets/* --refine --densify --baselines colmap
    Example: glance3d evaluate --protocol re10k-10 --data RealEstate10K --out results
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
    protocol: ProtocolFlags = field(default_factory=ProtocolFlags)
    output: EvaluationFolderFlags = field(default_factory=EvaluationFolderFlags)


def run(options: Options) -> None:
    """Measure the network, or say what cannot be measured."""
    measure_all = measure
    if options.protocol.is_given:
        refuse_sets(options)
        measure_all = measure_by_protocol
    elif not options.sets and options.data.synthetic_scenes < 1:
        raise InputError("nothing to evaluate on: name photo sets, or ask for synthetic scenes")
    if options.output.out is None:
        measure_all(options, None)
        return

    from glance3d.results import Claims, open_result

    with open_result(options.output.out, overwrite=options.output.overwrite) as result:
        result.claim(Claims(("evaluation.json", "evaluation.txt"), folders=("predictions",)))
        with result.staged(complete=True) as staging:
            measure_all(options, staging.folder)


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
    show(shown, options, out)


def refuse_sets(options: Options) -> None:
    """Refuse what a protocol leaves no room for, and a protocol without data."""
    if options.protocol.protocol is None:
        raise InputError("frames and scenes are of a protocol: name it with --protocol")
    if options.sets or options.data != DataFlags() or options.methods.against is not None:
        raise InputError(
            "a protocol is measured alone: leave out photo sets, the options of data that are for "
            "them, and --against"
        )

    from glance3d.evaluation.protocols import load_protocol

    protocol = load_protocol(options.protocol.protocol)
    if options.protocol.data is None:
        raise InputError(
            f"{protocol.name} needs its data: name a folder with {protocol.layout.wanted} (--data)"
        )


def measure_by_protocol(options: Options, out: Path | None) -> None:
    """Measure every scene of a data set, and write and print the numbers."""
    from glance3d.evaluation.protocols import RunOptions, load_protocol, run_protocol
    from glance3d.pass_options import PassOptions

    flags = options.protocol
    assert flags.protocol is not None
    assert flags.data is not None
    passes = PassOptions(window=flags.pass_window)
    result = run_protocol(
        options.model.source().load(),
        load_protocol(flags.protocol),
        flags.data,
        None if out is None else out / "predictions",
        methods=chosen_methods(options),
        options=RunOptions(flags.scenes, flags.frames, flags.max_frames, passes),
        progress=True,
    )
    show(result, options, out)


def show(
    shown: "EvaluationReport | Gate | ProtocolResult", options: Options, out: Path | None
) -> None:
    """Write the numbers as JSON and as a table, and print one of them."""
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
        drawn = synthetic_set(
            data, options.data.synthetic_scenes, preprocessing=model.preprocessing
        )
        sets.append(drawn)
    for folder in options.sets:
        photos = photo_set(folder, model.preprocessing, options.data.max_views)
        if any(one.name == photos.name for one in sets):
            photos = replace(photos, name=str(folder))
        sets.append(photos)
        if (
            options.data.window is not None
            and (windows := photos.in_windows(options.data.window)).scenes
        ):
            sets.append(windows)
    return sets
