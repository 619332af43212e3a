"""What a run of fine-tuning came to: what was measured before and after, here and elsewhere."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_ROWS = {
    "validation_auc30": "validation, AUC@30 of poses",
    "validation_delta": "validation, depth within 25%",
    "general_auc30": "drawn scenes, AUC@30 of poses",
    "general_delta": "drawn scenes, depth within 25%",
}


@dataclass(frozen=True)
class FinetuneReport:
    """``before``, ``last`` and ``best`` are measurements; ``best`` is None where nothing helped."""

    model: str
    options: Mapping[str, Any]
    split: str
    sets: Mapping[str, tuple[str, ...]]
    num_learned: int
    memory_bytes: int
    steps: int
    seconds: float
    stopped_by: int | None
    before: Mapping[str, Any]
    last: Mapping[str, Any]
    best: Mapping[str, Any] | None
    verdict: str
    best_folder: str | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: NaN becomes None."""
        record = asdict(self)
        for name in ("before", "last", "best"):
            record[name] = None if record[name] is None else _plain(record[name])
        return record

    def to_text(self) -> str:
        """A table, how it was split, and the verdict."""
        shown = {"before": self.before, "last": self.last, "best": self.best or {}}
        head = f"{'':<32}" + "".join(f"{name:>9}" for name in shown)
        rows = [
            f"{title:<32}" + "".join(f"{_number(line.get(name)):>9}" for line in shown.values())
            for name, title in _ROWS.items()
        ]
        after = f"{self.steps} steps, {self.seconds / 60:.1f} minutes"
        kept = "nothing is written to best/: the network is better as it was"
        if self.best_folder is not None and self.best is not None:
            kept = f"{self.best_folder} holds the weights of step {self.best['step']}"
        return "\n".join([after, self.split, head, *rows, self.verdict, kept])


def _plain(line: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in line.items()
        if name in _ROWS or name in ("step", "samples")
    }


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"
