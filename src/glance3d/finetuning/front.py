"""From photo sets to a network that knows them better: checked, split, measured, trained."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from glance3d.errors import ImageError, InputError, NotEnoughMemoryError
from glance3d.files.atomic import save_json
from glance3d.finetuning.data.rehearsal import RehearsingSampler, rehearsed_scenes
from glance3d.finetuning.data.split import Split, split_sets
from glance3d.finetuning.data.stream import PhotoSetSampler
from glance3d.finetuning.data.views import grid_size
from glance3d.finetuning.guards import Guards, build_guards
from glance3d.finetuning.memory import StepMemory, count_step
from glance3d.finetuning.options import FinetuneOptions
from glance3d.finetuning.overfit import Overfit, overfit_one
from glance3d.finetuning.report import FinetuneReport
from glance3d.finetuning.trainable import choose_trainable, losses_for, training_config
from glance3d.finetuning.trainer import BEST, REPORT, FinetuneTrainer, files_of
from glance3d.models import ModelSource, Network
from glance3d.models.memory.available import available_memory
from glance3d.models.zoo import LARGE_NETWORK
from glance3d.nn.chunks import recomputing
from glance3d.photo_sets import PhotoSet
from glance3d.photo_sets.checking import advice, check_photo_set
from glance3d.photo_sets.conventions import Conventions
from glance3d.photo_sets.table import read_as
from glance3d.results import Claims, open_result
from glance3d.training import TrainConfig
from glance3d.training.data.stream import BuildSampler
from glance3d.training.gradients import compute_gradients
from glance3d.training.run.folder import CHECKPOINT

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preparation:
    """All that a run needs, made and refused before its first step."""

    network: Network
    split: Split
    config: TrainConfig
    options: FinetuneOptions
    num_learned: int
    memory: StepMemory
    recompute: bool

    def sampler(self) -> BuildSampler:
        """The batches that are trained on: of the sets, and drawn ones among them."""
        photos, options = self.photo_sampler("train"), self.options
        if not options.rehearsal:
            return photos
        drawn = rehearsed_scenes(self.config.data, photos.options)
        return RehearsingSampler(photos, drawn, options.rehearsal, options.seed)

    def photo_sampler(self, split: str) -> PhotoSetSampler:
        """Batches of the sets alone: those to be trained on, or to be validated on."""
        parts = self.split.training if split == "train" else self.split.validation
        return PhotoSetSampler(parts, self.options.stream(self.network), self.options.seed, split)


def check_geometry(
    sets: Sequence[PhotoSet], meant: Sequence[Conventions], *, trust: bool
) -> tuple[PhotoSet, ...]:
    """The sets read as they are meant, if their geometry closes or is to be trusted.

    Raises:
        ImageError: it does not close; the message says how it would, where it can.
    """
    for photos, own in zip(sets, meant, strict=True):
        check = check_photo_set(photos, own)
        if check.closes is None:
            logger.warning(
                "warning: the geometry of %s cannot be verified: it has neither depth nor points",
                photos.name,
            )
        if check.closes is False:
            reason = f"the geometry of {photos.name} does not close: {advice(check)}"
            if not trust:
                raise ImageError(f"{reason}; or train on it all the same (--trust-geometry)")
            logger.warning("warning: %s", reason)
    return tuple(read_as(photos, own) for photos, own in zip(sets, meant, strict=True))


def prepare(
    sets: Sequence[PhotoSet],
    validation: Sequence[PhotoSet],
    source: ModelSource,
    options: FinetuneOptions,
) -> Preparation:
    """Split the sets, load the network, choose what learns, and count the memory of a step.

    Raises:
        NotEnoughMemoryError: a step does not fit.
        InputError: the network or the sets cannot be trained on so.
    """
    if source.adapter is not None:
        raise InputError(
            f"fine-tuning must begin with a network as it is, got the adapter {source.adapter}: go "
            "on with a run by --resume"
        )
    split = split_sets(sets, validation, options.seed)
    network = source.load()
    num_learned = choose_trainable(network, options)
    losses = losses_for(network, [part.photos for part in split.training], options.cameras_only)
    config = training_config(network, options, losses)
    recompute = options.recompute
    if recompute is None:
        recompute = sum(value.numel() for value in network.parameters()) >= LARGE_NETWORK
    memory = _refuse_too_large(network, split, config, options, recompute)
    return Preparation(network, split, config, options, num_learned, memory, recompute)


def _refuse_too_large(
    network: Network, split: Split, config: TrainConfig, options: FinetuneOptions, recompute: bool
) -> StepMemory:
    stream = options.stream(network)
    sizes = [
        grid_size(part.photos, stream.max_pixels, stream.size_multiple) for part in split.training
    ]
    size = max(sizes, key=lambda one: one[0] * one[1])
    shape = (stream.num_scenes, stream.num_views[1], *size)
    memory = count_step(network, config, shape, recompute=recompute)
    available = available_memory(network.device)
    logger.info("memory of a step: %.1f GB", memory.peak / 1e9)
    if available is not None and memory.peak > available:
        raise NotEnoughMemoryError(
            f"a step must fit into the {available / 1e9:.1f} GB that there are, got "
            f"{memory.peak / 1e9:.1f} GB: take fewer --images, fewer --views, smaller --max-pixels"
            f"{'' if recompute else ', or --recompute'}"
        )
    return memory


def guards_of(ready: Preparation) -> Guards:
    """What the run is measured on."""
    return build_guards(
        ready.split.validation,
        ready.network.preprocessing,
        ready.config.data,
        ready.options.num_views[1],
        ready.options.general_scenes,
        ready.options.tolerated,
    )


def finetune(
    ready: Preparation,
    out: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = False,
) -> FinetuneReport:
    """Train to the end of the run, or go on with one; the report says whether it helped.

    Raises:
        InputError: the folder holds a run, and it is not to go on; or nothing would learn.
        WeightsError: its checkpoint is of another network, or of other options.
    """
    out = Path(out)
    if (out / CHECKPOINT).exists() and not resume:
        raise InputError(
            f"{out} already holds a run: go on with --resume, or choose another folder"
        )
    if not resume:
        refuse_what_learns_nothing(ready)
    with open_result(out, overwrite=overwrite) as result:
        if not resume:
            result.claim(Claims(files_of(ready.options)))
        trainer = FinetuneTrainer(
            guards_of(ready),
            ready.options,
            ready.recompute,
            ready.config,
            out,
            build_sampler=ready.sampler(),
            build_validation_sampler=ready.photo_sampler("validation"),
            model=ready.network,
            show_progress=progress,
            overwrite=overwrite,
        )
        if resume:
            trainer.resume()
        trainer.run()
        report = _report(trainer, ready)
        with trainer.folder.staged() as staging:
            save_json(staging.folder / REPORT, report.to_dict())
    return report


def refuse_what_learns_nothing(ready: Preparation) -> None:
    """Refuse a run whose losses do not depend on what is trained: it would change nothing.

    Raises:
        InputError: the gradient of a first batch is zero.
    """
    sample = ready.sampler()()(0).of_scenes(slice(1)).to(ready.network.device)
    network, config = ready.network, ready.config
    with recomputing(ready.recompute):
        compute_gradients(network, sample, config, config.losses)
    learns = any(
        value.grad is not None and bool((value.grad != 0).any()) for value in network.parameters()
    )
    network.zero_grad(set_to_none=True)
    if not learns:
        raise InputError(
            f"what is trained (--train {ready.options.train}) must be what "
            f"{' and '.join(config.losses.active)} of {network.config.name} depend on, got a "
            "gradient of zero: train something else (--train heads)"
        )


def _report(trainer: FinetuneTrainer, ready: Preparation) -> FinetuneReport:
    before, *_ = lines = trainer.measured()
    best, last = trainer.best(), lines[-1]
    return FinetuneReport(
        model=ready.network.config.name,
        options=ready.options.to_dict(),
        split=ready.split.how,
        sets={
            "training": tuple(part.photos.name for part in ready.split.training),
            "validation": tuple(one.about for one in trainer.guards.validation),
            "general": (trainer.guards.general.about,),
        },
        num_learned=ready.num_learned,
        memory_bytes=ready.memory.peak,
        steps=trainer.progress.step,
        seconds=trainer.progress.seconds,
        stopped_by=trainer.stopped_by,
        before=before,
        last=last,
        best=best,
        verdict=trainer.guards.compare(before, best or last).reason,
        best_folder=None if best is None else str(trainer.out / BEST),
    )


def learn_one(ready: Preparation, *, progress: bool = False) -> Overfit:
    """One group of training photos, learned by heart if what is trained can learn."""
    sample = ready.photo_sampler("train")()(0)
    one = sample.of_scenes(slice(1)).to(ready.network.device)
    return overfit_one(ready.network, one, ready.config, ready.options.steps, progress=progress)
