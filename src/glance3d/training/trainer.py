"""The training loop, of one process on one device, or of several that share each batch.

Step number ``step`` trains on batch number ``step`` of the data stream, and nothing else is random:
a run that was stopped and resumed ends with the same weights, bit for bit, as one that was not (on
the same device and number of threads, with a schedule by samples). The ranks of a group train on
parts of the same batches, so that a run may go on with another number of them; the first one writes
and validates.
"""

import copy
import json
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from glance3d.datasets import MultiViewSample
from glance3d.distributed.group import current_group, working_alone
from glance3d.errors import ConfigError, Glance3DError
from glance3d.files.atomic import save_json
from glance3d.models import VGGT, Network, build_model
from glance3d.models.heads.correspondence import CELLS_PER_PATCH_SIDE
from glance3d.models.weights.partial import load_partial_weights
from glance3d.results import settle
from glance3d.training.config import TrainConfig
from glance3d.training.data.sample_batch import PartSampler, SyntheticSampler
from glance3d.training.data.stream import BuildSampler, build_stream
from glance3d.training.gradients import SharedGradients, compute_gradients
from glance3d.training.losses.objective import compute_losses
from glance3d.training.losses.scene import Losses
from glance3d.training.optimiser import build_optimiser, freeze_all_but
from glance3d.training.relation_pretraining import pretrain_relations
from glance3d.training.run.checkpoint import (
    Checkpoint,
    Progress,
    export_weights,
    load_checkpoint,
    save_checkpoint,
)
from glance3d.training.run.folder import CHECKPOINT, CONFIG, CURVE, FILES, LOG, WEIGHTS, RunFolder
from glance3d.training.run.interrupts import StopRequest
from glance3d.training.run.restore import restore
from glance3d.training.run.spikes import SpikeDetector
from glance3d.training.run.training_log import TrainingLog, draw_learning_curve, read_log
from glance3d.training.schedule import set_learning_rate
from glance3d.training.weight_average import WeightAverage, learned_state, whole_state

Evaluate = Callable[[Network], dict[str, float]]

_CURVES = ("loss", "camera", "depth", "points", "rays", "matching", "descriptors", "pairs")
_POINTS_OF_A_CURVE = 4  # with fewer validation losses the curve is of the losses of single batches
_MAX_SKIPPED_IN_A_ROW = 50


class Trainer:
    """A network, its optimiser, the average of its weights, and the progress of the run.

    ``out`` receives ``config.json``, ``log.jsonl``, ``curve.png``, ``checkpoint.pt`` and
    ``weights.safetensors`` (the averaged weights). ``evaluate`` is called with the averaged network
    at every validation, and the numbers it returns are logged. ``build_sampler`` and
    ``build_validation_sampler`` replace the synthetic scenes. With ``overwrite`` files of those
    names are replaced even if Glance3D did not write them. The ranks of the present group share the
    batches of ``build_sampler``. A ``model`` that is given is trained as far as its parameters
    require gradients; only those are averaged and kept in checkpoints.
    """

    #: What a run may write into ``out``.
    files: tuple[str, ...] = FILES

    def __init__(
        self,
        config: TrainConfig,
        out: str | Path,
        *,
        evaluate: Evaluate | None = None,
        build_sampler: BuildSampler | None = None,
        build_validation_sampler: BuildSampler | None = None,
        model: Network | None = None,
        show_progress: bool = True,
        overwrite: bool = False,
    ) -> None:
        self.config = config
        self.group = current_group()
        self.out = Path(out)
        self.folder = RunFolder(self.out, overwrite=overwrite, files=self.files)
        self.evaluate = evaluate
        self.show_progress = show_progress and self.group.is_first
        self.progress = Progress()
        #: The signal that ended the last :meth:`run` before its schedule did.
        self.stopped_by: int | None = None
        self._is_updating = False
        self.log = TrainingLog(self.out / LOG)
        self.device = torch.device(config.device)
        torch.manual_seed(config.seed)
        self._state_of = whole_state if model is None else learned_state
        if model is None:
            model = build_model(config.model, device=config.device)
            freeze_all_but(model, config.trainable)
        self.model = model.train()
        self.average = self._new_average()
        self.optimiser = build_optimiser(self.model, config)
        part = self.group.rank, self.group.size
        self._build_sampler = (
            SyntheticSampler.of(config, "train", *part)
            if build_sampler is None
            else build_sampler
            if self.group.size == 1
            else PartSampler(build_sampler, *part)
        )
        self._shared: SharedGradients | None = None
        self._build_validation_sampler = build_validation_sampler or SyntheticSampler.of(
            config, "validation"
        )
        self._spikes = SpikeDetector()
        self._skipped_in_a_row = 0
        self._relations_pretrained = False
        self._validation: list[MultiViewSample] | None = None
        self._num_scenes = 0  # of the last batch

    def resume(self, path: str | Path | None = None) -> None:
        """Continue from a checkpoint, by default ``checkpoint.pt`` in ``out``.

        The network must be the same; the schedule and the rest may differ and are then the
        present config's.
        """
        self.group.after_first(lambda: settle(self.out) if self.group.is_first else None)
        checkpoint = load_checkpoint(path or self.out / CHECKPOINT)
        self.folder.goes_on = path is None
        mine = self.config.to_dict()
        theirs = checkpoint.config.get("model")
        if theirs != mine["model"]:
            raise ConfigError(
                f"the checkpoint holds the network {theirs}, the config has {mine['model']}: "
                "resume with the same network, or start a new run"
            )
        changed = {key: value for key, value in mine.items() if checkpoint.config.get(key) != value}
        restore(checkpoint, self.model, self.average, self.optimiser, self._state_of)
        self.progress = checkpoint.progress
        self._relations_pretrained = True
        self._log_event("resumed", changed=json.dumps(changed))

    def start_from(self, weights: str | Path) -> None:
        """Begin a run with the weights of a file; parts that the file lacks stay as they are.

        Relations are not pretrained if the file has a complete correspondence head.
        """
        missing = load_partial_weights(self.model, Path(weights))
        self._relations_pretrained = not any("correspondence_head." in name for name in missing)
        self.average = self._new_average()
        self._log_event("started_from", weights=str(weights), num_missing=float(len(missing)))

    def pretrain_relations(self) -> None:
        """Pretrain the pair-pose network, unless that is done or the run is resumed."""
        head = self.model.correspondence_head if isinstance(self.model, VGGT) else None
        pretraining = self.config.relation_pretraining
        if head is None or pretraining is None or self._relations_pretrained:
            return
        if not self.group.is_first:  # whose weights all begin with
            self._relations_pretrained = True
            return
        cell = self.config.model.patch_size // CELLS_PER_PATCH_SIDE
        losses = pretrain_relations(
            head.relations,
            self.config.data,
            cell,
            pretraining,
            self.config.seed,
            precision=self.config.precision,
            show_progress=self.show_progress,
        )
        self._relations_pretrained = True
        self.average = self._new_average()
        self._log_event("rehearsed", **_as_floats(losses))  # the kind's name in saved logs

    def run(self, max_steps: int | None = None) -> Progress:
        """Train until the schedule ends, a signal, or ``max_steps`` more steps; always checkpoint.

        Ctrl-C, SIGTERM and SIGHUP finish the step first and are then in ``stopped_by``; a second
        one raises ``KeyboardInterrupt``, and the previous checkpoint stays. A new run pretrains
        relations first, if the config has ``relation_pretraining``. The folder is locked meanwhile.
        """
        with self.folder.open() if self.group.is_first else nullcontext():
            return self._run(max_steps)

    def _run(self, max_steps: int | None) -> Progress:
        self._write_config()
        self.pretrain_relations()
        if self.group.size > 1 and self._shared is None:
            self._shared = SharedGradients(self.model, self.config, self.group)
        last_step = math.inf if max_steps is None else self.progress.step + max_steps
        stream = build_stream(self._build_sampler, self.progress.step, self.config.num_data_workers)
        bar = tqdm(
            total=self.config.total_samples,
            initial=self.progress.samples,
            unit="scene",
            disable=not self.show_progress,
        )
        last_checkpoint = time.monotonic()
        with StopRequest() as stop, stream, bar:
            try:
                while (
                    self._schedule_progress() < 1
                    and self.progress.step < last_step
                    and not self._agreed(stop)
                ):
                    before = self.progress.samples
                    self._timed_step(stream.next_batch)
                    bar.update(self.progress.samples - before)
                    if self._crossed(self.config.validate_every_samples, before):
                        self.validate()
                    if (
                        time.monotonic() - last_checkpoint
                        > self.config.checkpoint_every_minutes * 60
                    ):
                        self.save()
                        last_checkpoint = time.monotonic()
            except KeyboardInterrupt as second:  # after a second signal nothing more is saved
                second.add_note(f"the last saved checkpoint is in {self.out}")
                raise
            except BaseException:
                if not self._is_updating:  # else weights and progress are of different steps
                    self.save()
                raise
            self.stopped_by = self._agreed(stop)
            self.save()
        return self.progress

    def _agreed(self, stop: StopRequest) -> int | None:
        """The signal that asked any rank to stop: all do after the same step."""
        (number,) = self.group.most(float(stop.number or 0))
        return int(number) or None

    def _timed_step(self, next_batch: Callable[[], MultiViewSample]) -> None:
        start = time.monotonic()
        sample = next_batch()
        waited = time.monotonic() - start
        values, updated = self.train_step(sample)
        (seconds,) = self.group.most(time.monotonic() - start)
        before = self.progress
        self.progress = Progress(
            step=before.step + 1,
            samples=before.samples + self._num_scenes,
            seconds=before.seconds + seconds,
            num_skipped=before.num_skipped + (not updated),
        )
        self._is_updating = False
        if updated and self.progress.step % self.config.log_every_steps == 0:
            self._log_event("train", **values, waited=waited, step_seconds=seconds)

    def train_step(self, sample: MultiViewSample) -> tuple[dict[str, float], bool]:
        """One update from one batch: its numbers, and whether the weights were updated.

        They are not updated if the loss or a gradient is not finite. Of several ranks each has its
        part of the batch; the numbers are those of all of it.
        """
        rate = set_learning_rate(
            self.optimiser, self.config, self._schedule_progress(), self.progress.samples
        )
        losses, self._num_scenes = self._compute_gradients(sample.to(self.device))
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optimiser.grad_clip)
        values = _as_floats(losses)
        values |= {"grad_norm": float(norm), "lr": rate}
        if not (math.isfinite(values["loss"]) and math.isfinite(values["grad_norm"])):
            self._skip(values)
            return values, False
        self._skipped_in_a_row = 0
        if self._spikes.is_spike(values["loss"]):
            self._log_event("spike", **values)
        self._is_updating = True
        self.optimiser.step()
        self.average.update(self.model)
        return values, True

    def _compute_gradients(self, sample: MultiViewSample) -> tuple[Losses, int]:
        weights = self.config.losses_at(self.progress.step)
        if self._shared is not None:
            return self._shared.compute(sample, weights)
        losses = compute_gradients(self.model, sample, self.config, weights)
        return losses, len(sample.images)

    def _skip(self, values: dict[str, float]) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        self._log_event("skipped", **values)
        self._skipped_in_a_row += 1
        if self._skipped_in_a_row >= _MAX_SKIPPED_IN_A_ROW:
            raise Glance3DError(
                f"{self._skipped_in_a_row} steps in a row had a loss or gradient that was not "
                "finite: the run has diverged. Resume an older checkpoint with a smaller peak_lr"
            )

    def _schedule_progress(self) -> float:
        """How much of the run is done, 0 to 1: by samples or by time, whichever is more."""
        by_samples = self.progress.samples / self.config.total_samples
        budget = self.config.time_budget_minutes
        return max(by_samples, 0.0 if budget is None else self.progress.seconds / (budget * 60))

    def _crossed(self, every: int, before: int) -> bool:
        """Whether the last step went past a multiple of ``every`` samples (0: never)."""
        return every > 0 and self.progress.samples // every > before // every

    def _new_average(self) -> WeightAverage:
        return WeightAverage(self.model, self.config.optimiser.average_decay, self._state_of)

    def averaged_model(self) -> Network:
        """A copy of the network with the averaged weights, in eval mode.

        What is not trained is not copied.
        """
        frozen = [value for value in self.model.parameters() if not value.requires_grad]
        model = copy.deepcopy(self.model, {id(value): value for value in frozen})
        model.load_state_dict(self.average.values, strict=self._state_of is whole_state)
        return model.eval()

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Losses of the averaged weights on the same held-out scenes each time.

        Of several ranks the first one validates; nothing comes from the others.
        """
        if not self.group.is_first:
            return {}
        with working_alone():
            return self._validate()

    def _validate(self) -> dict[str, float]:
        if self._validation is None:
            sample_batch = self._build_validation_sampler()
            count = self.config.num_validation_batches
            self._validation = [sample_batch(index) for index in range(count)]
        model = self.averaged_model()
        all_losses = [
            _as_floats(compute_losses(model, sample.to(self.device), self.config))
            for sample in self._validation
        ]
        means = {
            name: sum(losses[name] for losses in all_losses) / len(all_losses)
            for name in (all_losses[0] if all_losses else ())
        }
        if self.evaluate is not None:
            means |= {f"eval_{key}": value for key, value in self.evaluate(model).items()}
        self._log_event("validation", **means)
        return means

    def save(self) -> None:
        """Checkpoint, averaged weights, and learning curve; by the first rank."""
        if not self.group.is_first:
            return
        with self.folder.staged() as staging:
            self._save_to(staging.folder)

    def _save_to(self, folder: Path) -> None:
        save_checkpoint(
            Checkpoint(
                config=self.config.to_dict(),
                progress=self.progress,
                model=self._state_of(self.model),
                average=self.average.state_dict(),
                optimiser=self.optimiser.state_dict(),
            ),
            folder / CHECKPOINT,
        )
        self.export(folder)
        if self.log.path.is_file():
            lines, smooth = read_log(self.log.path, "validation"), 0.0
            if len(lines) < _POINTS_OF_A_CURVE:
                lines, smooth = read_log(self.log.path, "train"), 0.9
            draw_learning_curve(lines, _CURVES, folder / CURVE, smooth)

    def export(self, folder: Path) -> None:
        """Write the averaged weights for use."""
        path, dtype = folder / WEIGHTS, torch.bfloat16
        export_weights(self.averaged_model(), path, dtype, overwrite=False, **self.about())

    def about(self) -> dict[str, str]:
        """How the weights were made, for their metadata."""
        return {
            "recipe": self.config.recipe,
            "seed": str(self.config.seed),
            "step": str(self.progress.step),
            "samples": str(self.progress.samples),
        }

    def describe(self) -> dict[str, Any]:
        """The settings of the run, for ``config.json``."""
        return self.config.to_dict()

    def _write_config(self) -> None:
        if not self.group.is_first:
            return
        with self.folder.staged() as staging:
            save_json(staging.folder / CONFIG, self.describe())

    def _log_event(self, kind: str, **values: float | str) -> None:
        if not self.group.is_first:
            return
        with self.folder.open():
            self.log.write(kind, self.progress.step, self.progress.samples, **values)


def _as_floats(losses: dict[str, Tensor]) -> dict[str, float]:
    """All scalars in one transfer from the device."""
    values = torch.stack([value.detach().float() for value in losses.values()]).tolist()
    return dict(zip(losses, values, strict=True))
