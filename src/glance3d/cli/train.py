"""``glance3d train``: a network learns from synthetic scenes."""

import dataclasses
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from glance3d.cli.options.flag import Flag
from glance3d.cli.terminal.ranks import joined_ranks
from glance3d.cli.terminal.stopping import Stopped
from glance3d.errors import InputError

if TYPE_CHECKING:
    from glance3d.models import Network
    from glance3d.training import TrainConfig
    from glance3d.training.trainer import Evaluate

_RECIPE = (
    "small-cpu-descriptors, small-cpu, small-cpu-matches (in this order, each from the weights of "
    "the one before), small-cpu-cameras, small-h200, or tiny-test (seconds, to see that it works)."
)
_START_FROM = (
    "Weights to begin a new run with; parts of the network that the file lacks begin at random."
)


@dataclass(frozen=True, kw_only=True)
class RecipeFlags:
    """What differs from the recipe."""

    samples: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")] = None
    """Scenes until the end of the schedule."""
    minutes: Annotated[float | None, tyro.conf.arg(metavar="FLOAT", help_behavior_hint="")] = None
    """Training time until the end of the schedule, if that comes before the samples do."""
    images: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")] = None
    """Pictures in a batch; fewer need less memory."""
    textures: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Pictures to paint the scenes with, instead of procedural ones."""
    device: Annotated[str | None, tyro.conf.arg(metavar="DEVICE", help_behavior_hint="")] = None
    """cpu, cuda, cuda:1 ..."""
    seed: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")] = None
    """Of the first weights and of the scenes."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Train a network on rendered scenes, by a recipe.

    The folder receives a checkpoint, averaged weights for use (weights.safetensors), a log with one
    JSON object a line, and a learning curve. Ctrl-C and SIGTERM save before they stop it; --resume
    goes on as if it had not been stopped.

    Several processes share each batch: torchrun --nproc-per-node 8 -m glance3d train ...

    Example: glance3d train --recipe small-cpu --out runs/small --minutes 600
    """

    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder of the run; created if missing."""
    overwrite: Flag = False
    """Replace files there even if Glance3D did not write them, or they were changed since."""
    recipe: Annotated[str, tyro.conf.arg(metavar="NAME", help=_RECIPE)] = "small-cpu"
    resume: Flag = False
    """Go on from the checkpoint in the folder; the schedule may be longer or shorter now."""
    start_from: Annotated[
        Path | None, tyro.conf.arg(metavar="FILE", help=_START_FROM, help_behavior_hint="")
    ] = None
    threads: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")] = None
    """Processor threads for the network; the data takes one more."""
    validation: Annotated[
        tuple[Path, ...], tyro.conf.arg(metavar="DIR...", help_behavior_hint="")
    ] = ()
    """Photo sets with true cameras to measure at every validation."""
    changes: Annotated[RecipeFlags, tyro.conf.arg(name="recipe")] = field(
        default_factory=RecipeFlags
    )


def run(options: Options) -> None:
    """Train to the end of the schedule, or until Ctrl-C."""
    checkpoint = options.out / "checkpoint.pt"
    if checkpoint.exists() and not options.resume:
        raise InputError(
            f"{options.out} already holds a run: go on with --resume, or choose another folder"
        )

    with joined_ranks() as group:
        if not group.is_first:
            train(options, speaks=False)
            return
        from glance3d.results import Claims, open_result
        from glance3d.training.run.folder import FILES

        with open_result(options.out, overwrite=options.overwrite) as result:
            if not options.resume:
                result.claim(Claims(FILES))  # before the network is built
            train(options)


def train(options: Options, *, speaks: bool = True) -> None:
    """Build the trainer, resume if asked to, run it, and say how far it came."""
    import torch

    from glance3d.training import Trainer

    if options.threads is not None:
        torch.set_num_threads(options.threads)
    trainer = Trainer(
        build_config(options),
        options.out,
        evaluate=build_evaluate(options.validation),
        show_progress=sys.stderr.isatty(),
        overwrite=options.overwrite,
    )
    if options.resume:
        trainer.resume()
    elif options.start_from is not None:
        trainer.start_from(options.start_from)
    progress = trainer.run()
    weights = str(options.out / "weights.safetensors")
    if speaks:
        print(json.dumps({**dataclasses.asdict(progress), "weights": weights}))
    if trainer.stopped_by is not None:
        stop = Stopped(trainer.stopped_by)
        stop.add_note(f"the checkpoint of step {progress.step} is saved: go on with --resume")
        raise stop


def build_config(options: Options) -> "TrainConfig":
    """The recipe with what the command line asks to differ."""
    from glance3d.training import build_recipe

    changes = {
        "total_samples": options.changes.samples,
        "time_budget_minutes": options.changes.minutes,
        "textures": None if options.changes.textures is None else str(options.changes.textures),
        "device": options.changes.device,
        "seed": options.changes.seed,
    }
    given: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
    recipe = build_recipe(options.recipe)
    if options.changes.images is not None:
        given["data"] = dataclasses.replace(recipe.data, images_per_batch=options.changes.images)
    return dataclasses.replace(recipe, **given)


def build_evaluate(folders: tuple[Path, ...]) -> "Evaluate | None":
    """Measures the network on photo sets and returns numbers for the log."""
    if not folders:
        return None
    from glance3d.evaluation import evaluate, photo_set

    def measure(model: "Network") -> dict[str, float]:
        sets = [photo_set(folder, model.preprocessing) for folder in folders]
        numbers = {}
        for row in evaluate(model, sets).sets:
            scores = row.scores["network"]
            numbers[f"{row.name}_auc30"] = scores.pose_auc_at_30deg
            numbers[f"{row.name}_delta"] = scores.depth_delta_125_scale_aligned
        return numbers

    return measure
