"""What became of a batch: ``batch.json``, and a table for a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glance3d._version import __version__
from glance3d.batches.ledger.event_folder import Ledger
from glance3d.batches.ledger.records import Attempt, StateName
from glance3d.batches.scenes import SUMMARY_FILE
from glance3d.files.atomic import save_json
from glance3d.results import Claims, open_result
from glance3d.text import visible_text
from glance3d.types.json_record import to_json

SCHEMA = "glance3d.batch/1"
_HEADINGS = ("scene", "state", "photos", "held", "seconds", "trust or reason")
_NUMBERS = (2, 3, 4)
# Beyond so many scenes those that are done are not listed one by one.
_MAX_ROWS = 60
_LONGEST_NAME = 40
_LONGEST_REASON = 160  # batch.json has all of it
_WAIT_SECONDS = 60.0  # for another worker that writes the summary, too


@dataclass(frozen=True)
class SceneSummary:
    """One scene: ``result`` is empty unless it is done; ``changed``: what is no more as it was."""

    name: str
    state: StateName
    seconds: float
    attempts: tuple[Attempt, ...]
    result: Mapping[str, Any]
    changed: str = ""

    def to_json(self) -> dict[str, Any]:
        """As ``batch.json`` has it."""
        shown = ("photos", "held", "verdicts", "warnings", "skipped")
        return {
            "name": self.name,
            "state": self.state,
            "seconds": self.seconds,
            **{key: to_json(self.result[key]) for key in shown if key in self.result},
            **({"changed": self.changed} if self.changed else {}),
            "failures": [{"reason": one.reason, "seconds": one.seconds} for one in self.attempts],
        }


@dataclass(frozen=True)
class BatchSummary:
    """All scenes of a batch, in order."""

    scenes: tuple[SceneSummary, ...]

    @classmethod
    def of(cls, names: Sequence[str], ledger: Ledger, changes: Mapping[str, str]) -> "BatchSummary":
        """By the ledger."""
        scenes = []
        for name in names:
            state = ledger.state(name)
            last = state.last if state.name == "done" else None
            seconds = sum(one.seconds for one in state.attempts) if last is None else last.seconds
            result = {} if last is None else last.result
            scenes.append(
                SceneSummary(
                    name, state.name, seconds, state.attempts, result, changes.get(name, "")
                )
            )
        return cls(tuple(scenes))

    def count(self, state: StateName) -> int:
        """How many scenes are in a state."""
        return sum(scene.state == state for scene in self.scenes)

    @property
    def set_aside(self) -> list[SceneSummary]:
        """Scenes that failed as often as they are tried."""
        return [scene for scene in self.scenes if scene.state == "set aside"]

    def to_json(self) -> dict[str, Any]:
        """What ``batch.json`` holds."""
        return {
            "schema": SCHEMA,
            "glance3d": __version__,
            "num_scenes": len(self.scenes),
            "num_done": self.count("done"),
            "num_set_aside": self.count("set aside"),
            "seconds": round(sum(scene.seconds for scene in self.scenes), 3),
            "scenes": [scene.to_json() for scene in self.scenes],
        }

    def table(self) -> list[str]:
        """One line a scene; of many, only those that are not simply done."""
        listed = list(self.scenes)
        if len(listed) > _MAX_ROWS:
            listed = [one for one in listed if one.state != "done" or one.changed]
        rows = [_HEADINGS, *map(_row, listed)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if column in _NUMBERS else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        counts = f"{self.count('done')} of {len(self.scenes)} scenes are done"
        aside = self.count("set aside")
        return [*(lines if listed else []), counts + (f", {aside} set aside" if aside else "")]


def write_summary(
    names: Sequence[str], out: Path, ledger: Ledger, changes: Mapping[str, str], overwrite: bool
) -> BatchSummary:
    """Write ``batch.json``; of workers that end together, the last one knows what all did.

    Raises:
        OutputError: it cannot be written.
    """
    with open_result(out, overwrite=overwrite, wait_seconds=_WAIT_SECONDS) as result:
        result.claim(Claims(files=(SUMMARY_FILE,)))
        ledger.refresh()
        summary = BatchSummary.of(names, ledger, changes)
        with result.staged() as staging:
            save_json(staging.folder / SUMMARY_FILE, summary.to_json())
    return summary


def claim_summary(out: Path, overwrite: bool) -> None:
    """Refuse before the work what would stand in the summary's way.

    Raises:
        OutputError: somebody else's ``batch.json``, or nothing can be written there.
    """
    with open_result(out, overwrite=overwrite, wait_seconds=_WAIT_SECONDS) as result:
        result.claim(Claims(files=(SUMMARY_FILE,)))


def _row(scene: SceneSummary) -> tuple[str, ...]:
    name, result = visible_text(scene.name), scene.result
    verdicts = result.get("verdicts") or {}
    words = ", ".join(f"{number} {verdict}" for verdict, number in verdicts.items())
    if scene.state == "done" and not words:
        words = "an estimate, not refined"
    if scene.attempts and scene.state != "done":
        words = _shortened(visible_text(scene.attempts[-1].reason), _LONGEST_REASON)
    if scene.changed:
        words = f"{words}; {scene.changed} changed since".removeprefix("; ")
    held = result.get("held")
    return (
        _shortened(name, _LONGEST_NAME),
        scene.state,
        str(result.get("photos", "-")),
        "-" if held is None else str(held),
        f"{scene.seconds:.1f}",
        words,
    )


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
