"""The trainer of networks that know something already, and may lose it."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from glance3d.finetuning.guards import HERE, THERE, Guards
from glance3d.finetuning.options import FinetuneOptions
from glance3d.models import Network
from glance3d.models.adapters.files import ADAPTER_FILES, save_adapter
from glance3d.nn.chunks import recomputing
from glance3d.training import Progress, Trainer, export_weights
from glance3d.training.run.folder import CHECKPOINT, CONFIG, CURVE, LOG
from glance3d.training.run.training_log import draw_learning_curve, read_log

BEST, LAST, GUARDS_CURVE, REPORT = "best", "last", "guards.png", "report.json"
_WEIGHTS = "weights.safetensors"
_MEASURED = "measured"  # the kind of line in the log
_GUARDED = tuple(f"{group}_{name}" for group in (HERE, THERE) for name in ("auc30", "delta"))


def files_of(options: FinetuneOptions) -> tuple[str, ...]:
    """What a run may write into its folder."""
    names = ADAPTER_FILES if options.train == "lora" else (_WEIGHTS,)
    made = tuple(f"{folder}/{name}" for folder in (BEST, LAST) for name in names)
    return (CONFIG, CHECKPOINT, CURVE, GUARDS_CURVE, REPORT, *made, LOG)


class FinetuneTrainer(Trainer):
    """A trainer that measures guards, before the first step and at every validation.

    ``last/`` receives what was learned last, ``best/`` what was best of that which the guards let
    through: nothing, where nothing helped.
    """

    def __init__(
        self, guards: Guards, options: FinetuneOptions, recompute: bool, *args: Any, **kwargs: Any
    ) -> None:
        self.files = files_of(options)
        super().__init__(*args, **kwargs)
        self.guards, self.options = guards, options
        self._recompute = recompute
        self._is_new = True  # nothing in the log is of this run yet

    def resume(self, path: str | Path | None = None) -> None:
        """As :meth:`Trainer.resume`; what was measured before is of the same run."""
        super().resume(path)
        self._is_new = False

    def run(self, max_steps: int | None = None) -> Progress:
        """As :meth:`Trainer.run`; a new run is measured first, and one that is done at its end."""
        with recomputing(self._recompute):
            if self.progress.step == 0:
                self.validate()
            progress = super().run(max_steps)
            if self.stopped_by is None and self.measured()[-1]["step"] < progress.step:
                self.validate()
                self.save()
        return progress

    def measured(self) -> list[dict[str, Any]]:
        """The lines of all measurements so far; NaN is read as a number again.

        Those of steps after the present one are of a run that was killed before its checkpoint,
        those before the last one of step 0 of a run that was killed before it had any.
        """
        if self._is_new or not self.log.path.is_file():
            return []
        lines = read_log(self.log.path, _MEASURED)
        begins = [place for place, line in enumerate(lines) if line["step"] == 0]
        own = lines[begins[-1] if begins else 0 :]
        known = [line for line in own if line["step"] <= self.progress.step]
        return [line | {name: float(line[name]) for name in _GUARDED} for line in known]

    def best(self) -> dict[str, Any] | None:
        """The best measurement that the guards let through; None if there is none."""
        return self._best_of(self.measured())

    def _best_of(self, lines: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
        before, *later = lines
        verdicts = [(self.guards.compare(before, line), line) for line in later]
        allowed = [(verdict.gain, line) for verdict, line in verdicts if verdict.is_better]
        return max(allowed, key=lambda pair: pair[0])[1] if allowed else None

    def validate(self) -> dict[str, float]:
        """As :meth:`Trainer.validate`; a run that is killed goes on from here."""
        means = super().validate()
        if self.progress.step:
            self.save()
        return means

    def _validate(self) -> dict[str, float]:
        means = super()._validate()
        step, lines = self.progress.step, self.measured()
        known = [line for line in lines if line["step"] == step]
        network = self.averaged_model()
        now = known[0] if known else {"step": step, **self.guards.measure(network)}
        best = self._best_of(lines if known else [*lines, now])
        if best is not None and best["step"] == step:
            with self.folder.staged() as staging:
                self._write(network, staging.folder / BEST)
        if not known:  # last, so that a run that was killed before does all of it again
            numbers = {name: value for name, value in now.items() if name != "step"}
            self._log_event(_MEASURED, **numbers)
            self._is_new = False
        return means

    def export(self, folder: Path) -> None:
        """What was learned, for use; and the curves of what was measured."""
        self._write(self.averaged_model(), folder / LAST)
        lines = [
            {name: value for name, value in line.items() if not _is_nan(value)}
            for line in self.measured()
        ]
        draw_learning_curve(lines, _GUARDED, folder / GUARDS_CURVE, 0.0)

    def _write(self, network: Network, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if self.options.train == "lora":
            network.weights_path = self.model.weights_path
            save_adapter(network, folder, **self.about())
        else:
            # In float32: small steps would be rounded away.
            path, dtype = folder / _WEIGHTS, torch.float32
            export_weights(network, path, dtype, overwrite=False, **self.about())

    def describe(self) -> dict[str, Any]:
        """The settings of the run, and of the fine-tuning."""
        return super().describe() | {"finetune": self.options.to_dict()}


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
