"""``glance3d finetune``: a known network learns from photo sets of one's own."""

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from glance3d.cli.finetune.check import ConventionFlags
from glance3d.cli.options.flag import Flag
from glance3d.cli.options.model import ModelFlags
from glance3d.cli.terminal.stopping import Stopped
from glance3d.errors import Glance3DError, InputError
from glance3d.files.atomic import to_json_text

if TYPE_CHECKING:
    from glance3d.finetuning.front import Preparation
    from glance3d.finetuning.options import FinetuneOptions
    from glance3d.photo_sets import PhotoSet

_OPTIONAL = tyro.conf.arg(metavar="INT", help_behavior_hint="")
_NUMBER = tyro.conf.arg(metavar="FLOAT", help_behavior_hint="")


@dataclass(frozen=True, kw_only=True)
class DataFlags:
    """What is learned from, and what it is measured on."""

    validation: Annotated[
        tuple[Path, ...], tyro.conf.arg(metavar="DIR...", help_behavior_hint="")
    ] = ()
    """Sets to validate on; by default a fifth of the sets, or the last photos of one alone."""
    format: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """Read the folders as this format, instead of by what is in them."""
    photos: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Where the photos are, if not beside their cameras."""
    trust_geometry: Flag = False
    """Train although cameras and depth do not fit each other."""
    cameras_only: Flag = False
    """Teach cameras alone, also where depth is known."""


@dataclass(frozen=True, kw_only=True)
class LearningFlags:
    """What is trained, and for how long."""

    train: Literal["lora", "bias", "norm", "heads", "all"] = "lora"
    """Adapters (lora); biases; norms; all but the backbone (heads); or all weights."""
    rank: Annotated[int, tyro.conf.arg(metavar="INT")] = 16
    """Of adapters: more learn more, and forget more."""
    alpha: Annotated[float | None, _NUMBER] = None
    """What adapters learn counts alpha / rank times (default: once)."""
    steps: Annotated[int, tyro.conf.arg(metavar="INT")] = 300
    """Updates of the weights."""
    learning_rate: Annotated[float | None, _NUMBER] = None
    """At its peak (default: by what is trained)."""
    views: Annotated[tuple[int, int], tyro.conf.arg(metavar="FROM TO")] = (2, 4)
    """Photos that the network sees together."""
    images: Annotated[int, tyro.conf.arg(metavar="INT")] = 8
    """Photos of a step, in groups of views; fewer need less memory."""
    max_pixels: Annotated[int | None, _OPTIONAL] = None
    """At most this many pixels in a photo (default: as the network sees photos)."""
    rehearsal: Annotated[float, tyro.conf.arg(metavar="SHARE")] = 0.25
    """The share of steps on drawn scenes, so that other kinds than yours are not forgotten."""
    recompute: Flag = False
    """A third more time for a part of the memory; always for large networks."""
    seed: Annotated[int, tyro.conf.arg(metavar="INT")] = 0
    """Of the adapters and of what is drawn."""
    overfit_one: Flag = False
    """Only see whether one group of photos can be learned by heart; nothing is written."""


@dataclass(frozen=True, kw_only=True)
class GuardFlags:
    """What must hold before weights are called the best."""

    tolerated: Annotated[float, tyro.conf.arg(metavar="SHARE")] = 0.02
    """The share of accuracy on drawn scenes, cameras and depth each, that may be lost."""
    general_scenes: Annotated[int, tyro.conf.arg(metavar="INT")] = 16
    """How many drawn scenes of the test split it is measured on."""
    validate_every: Annotated[int | None, _OPTIONAL] = None
    """Steps between measurements (default: a fifth of the run)."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Fine-tune a network on photo sets with true cameras, and say whether it helped.

    Cameras and depth are first verified against each other (glance3d finetune check). The network
    is measured before and after, on sets that are held back and on drawn scenes: best/ receives
    what became better on the one without losing much on the other, last/ what was learned last.
    best/ and last/ are adapters for --adapter, or weights for --model. Ctrl-C and SIGTERM save
    before they stop it; --resume goes on as if it had not been stopped.

    Example: glance3d finetune captures/*/ --out runs/mine
    """

    sets: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="DIR...", help_behavior_hint="(at least one)"),
    ]
    """Folders with cameras.json, transforms.json, a COLMAP model, a TUM RGB-D or ScanNet export."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Folder of the run; created if missing."""
    resume: Flag = False
    """Go on with the run in the folder, with the same options."""
    overwrite: Flag = False
    """Replace files there even if Glance3D did not write them, or they were changed since."""
    json: Flag = False
    """Print JSON instead of a table."""
    data: DataFlags = field(default_factory=DataFlags)
    model: ModelFlags = field(default_factory=ModelFlags)
    learning: LearningFlags = field(default_factory=LearningFlags)
    guards: GuardFlags = field(default_factory=GuardFlags)
    conventions: ConventionFlags = field(default_factory=ConventionFlags)


def run(options: Options) -> None:
    """Check, train, measure, and print what it came to."""
    if not options.sets:
        raise InputError("nothing to train on: name folders of photos with cameras")
    if options.out is None and not options.learning.overfit_one:
        raise InputError("say where the run is to go: --out DIR")

    from glance3d.finetuning.front import finetune, learn_one

    chosen = learning_options(options)  # refused early
    ready = prepared(options, chosen)
    progress = sys.stderr.isatty()
    if options.learning.overfit_one:
        result = learn_one(ready, progress=progress)
        print(to_json_text(result.to_dict(), indent=1) if options.json else result.to_text())
        if not result.learned:
            raise Glance3DError(
                f"{', '.join(result.stuck)} did not fall tenfold in {result.steps} steps: take "
                "more --steps, a larger --learning-rate, or train more (--train all)"
            )
        return
    assert options.out is not None
    report = finetune(
        ready, options.out, resume=options.resume, overwrite=options.overwrite, progress=progress
    )
    print(to_json_text(report.to_dict(), indent=1) if options.json else report.to_text())
    if report.stopped_by is not None:
        stop = Stopped(report.stopped_by)
        stop.add_note(f"the checkpoint of step {report.steps} is saved: go on with --resume")
        raise stop


def learning_options(options: Options) -> "FinetuneOptions":
    """The same for the library; refuses what cannot be trained."""
    from glance3d.finetuning.options import FinetuneOptions

    learning = options.learning
    return FinetuneOptions(
        train=learning.train,
        rank=learning.rank,
        alpha=learning.alpha,
        steps=learning.steps,
        learning_rate=learning.learning_rate,
        num_views=learning.views,
        images_per_batch=learning.images,
        max_pixels=learning.max_pixels,
        cameras_only=options.data.cameras_only,
        rehearsal=learning.rehearsal,
        tolerated=options.guards.tolerated,
        general_scenes=options.guards.general_scenes,
        every=options.guards.validate_every,
        recompute=learning.recompute or None,
        seed=learning.seed,
    )


def prepared(options: Options, chosen: "FinetuneOptions") -> "Preparation":
    """Sets that were read and checked, and the network."""
    from glance3d.finetuning.front import check_geometry, prepare
    from glance3d.photo_sets import load_photo_set
    from glance3d.photo_sets.table import stated_conventions

    def read(folders: tuple[Path, ...]) -> "tuple[PhotoSet, ...]":
        sets = [load_photo_set(one, options.data.format, options.data.photos) for one in folders]
        names = [photos.name for photos in sets]
        sets = [
            photos if names.count(photos.name) == 1 else replace(photos, name=str(folder))
            for photos, folder in zip(sets, folders, strict=True)
        ]
        meant = [options.conventions.meant(stated_conventions(photos)) for photos in sets]
        return check_geometry(sets, meant, trust=options.data.trust_geometry)

    source = options.model.source()
    return prepare(read(options.sets), read(options.data.validation), source, chosen)
