"""What a protocol measured: as a table for people, beside published numbers, and as JSON."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from glance3d.evaluation.methods import METHODS
from glance3d.evaluation.protocols.frames import digest_of_frames
from glance3d.evaluation.protocols.measures.measure import Value, Values, macro_mean, micro_mean
from glance3d.evaluation.protocols.measures.table import kind_of
from glance3d.evaluation.protocols.protocol import Column, Protocol, PublishedNumbers

_DIGITS = 8


@dataclass(frozen=True)
class SceneResult:
    """One scene: the frames that were looked at, and of every method its numbers and seconds."""

    name: str
    category: str
    frames: tuple[str, ...]
    values: dict[str, Values]
    seconds: dict[str, float]


@dataclass(frozen=True)
class ProtocolResult:
    """All scenes. ``deviations`` say what is not as the protocol has it; empty: nothing.

    ``left_out`` are scenes with too few frames; ``list_sha256`` is of the file that listed frames.
    """

    protocol: Protocol
    model: str
    scenes: tuple[SceneResult, ...]
    methods: tuple[str, ...]
    deviations: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    list_sha256: str | None = None

    def macro(self, method: str) -> dict[str, float]:
        """Means over scenes, each counting once."""
        return {name: macro_mean(values) for name, values in self._values(method).items()}

    def micro(self, method: str) -> dict[str, float]:
        """Means over the pairs, frames, pixels or points of all scenes together."""
        return {name: micro_mean(values) for name, values in self._values(method).items()}

    def by_category(self, method: str) -> dict[str, dict[str, float]]:
        """Macro means of each category; none where there are no categories."""
        names = dict.fromkeys(scene.category for scene in self.scenes if scene.category)
        return {
            category: {
                name: macro_mean(values) for name, values in self._values(method, category).items()
            }
            for category in names
        }

    @property
    def frames_sha256(self) -> str:
        """The hash of the frames that were looked at, scene by scene."""
        return digest_of_frames([(scene.name, scene.frames) for scene in self.scenes])

    def _values(self, method: str, category: str | None = None) -> dict[str, list[Value]]:
        rows = [
            scene.values[method]
            for scene in self.scenes
            if category is None or scene.category == category
        ]
        return {name: [row[name] for row in rows] for name in rows[0]}

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        protocol = self.protocol
        return {
            "protocol": {
                "name": protocol.name,
                "version": protocol.version,
                "sha256": protocol.sha256,
                "about": protocol.about,
                "input": protocol.input,
                "frames": asdict(protocol.frames),
                "measures": [
                    {"kind": kind_of(measure), **_finite(vars(measure))}
                    for measure in protocol.measures
                ],
                "ground_truth": asdict(protocol.ground_truth),
                "sources": list(protocol.sources),
                "differs": protocol.differs,
            },
            "as_defined": not self.deviations,
            "deviations": list(self.deviations),
            "left_out": list(self.left_out),
            "frames_sha256": self.frames_sha256,
            "frame_list_sha256": self.list_sha256,
            "model": self.model,
            "methods": {
                name: {
                    "about": METHODS[name].about,
                    "macro": _rounded(self.macro(name)),
                    "micro": _rounded(self.micro(name)),
                    "by_category": {
                        category: _rounded(means)
                        for category, means in self.by_category(name).items()
                    },
                }
                for name in self.methods
            },
            "published": [
                {
                    "model": row.model,
                    "values": dict(row.values),
                    "source": row.source,
                    "differs": row.differs,
                    "re_run_here": row.here == self.model,
                }
                for row in protocol.published
            ],
            "scenes": [
                {
                    "name": scene.name,
                    "category": scene.category,
                    "frames": list(scene.frames),
                    "methods": {
                        method: {
                            **_rounded({name: one.value for name, one in values.items()}),
                            "weights": {name: one.weight for name, one in values.items()},
                            "seconds": _known(scene.seconds[method]),
                        }
                        for method, values in scene.values.items()
                    },
                }
                for scene in self.scenes
            ],
        }

    def to_table(self) -> str:
        """Published numbers, then those of the methods here, and what they are of."""
        columns = self.protocol.columns
        notes: list[str] = []
        rows = [("theirs", [""] * (len(columns) + 1))] if self.protocol.published else []
        for row in self.protocol.published:
            label = f"  {row.model} [{_note(notes, row)}]"
            cells = [
                _cell(value, column)
                for value, column in zip(_once(row, columns), columns, strict=True)
            ]
            rows.append((label, [*cells, ""]))
        rows.append(("here", [""] * (len(columns) + 1)))
        for method in self.methods:
            means = {"macro": self.macro(method), "micro": self.micro(method)}
            cells = [
                _cell(means[column.mean].get(column.name, math.nan), column) for column in columns
            ]
            known = [scene.seconds[method] for scene in self.scenes]
            seconds = macro_mean(Value(one, 1.0) for one in known)
            rows.append((f"  {self._label(method)}", [*cells, _shown(seconds, 1)]))
        titles = [*(column.title for column in columns), "sec"]
        return "\n".join([*_aligned("", titles, rows), *notes, *self._remarks()])

    def _label(self, method: str) -> str:
        if method != "network":
            return method
        theirs = [row.model for row in self.protocol.published if row.here == self.model]
        return f"{theirs[0]}, re-run here" if theirs else self.model

    def _remarks(self) -> list[str]:
        protocol = self.protocol
        num_frames = sum(len(scene.frames) for scene in self.scenes)
        lines = [
            f"{protocol.name}@{protocol.version} (sha256 {protocol.sha256[:16]}): {protocol.about}",
            f"{len(self.scenes)} scenes, {num_frames} frames (sha256 {self.frames_sha256[:16]}); "
            f"sec: a scene; - where there is no truth or no claim",
        ]
        if self.deviations:
            lines.append(f"Not the protocol as defined: {'; '.join(self.deviations)}")
        if self.left_out:
            lines.append(f"Left out, too few frames: {', '.join(self.left_out)}")
        return lines


def _once(row: PublishedNumbers, columns: Sequence[Column]) -> list[float]:
    """A published number under the first column of its name: which mean it is, is rarely said."""
    names = [column.name for column in columns]
    return [
        row.values.get(name, math.nan) if names.index(name) == place else math.nan
        for place, name in enumerate(names)
    ]


def _note(notes: list[str], row: PublishedNumbers) -> int:
    """The number of the note that says whence a row is."""
    text = f"{row.source}; differs: {row.differs}"
    known = [note.split("] ", 1)[1] for note in notes]
    if text not in known:
        notes.append(f"[{len(notes) + 1}] {text}")
        return len(notes)
    return known.index(text) + 1


def _aligned(title: str, titles: list[str], rows: list[tuple[str, list[str]]]) -> Iterable[str]:
    label_width = max(map(len, [title, *(label for label, _ in rows)]))
    widths = [
        max(map(len, [name, *(cells[index] for _, cells in rows)]))
        for index, name in enumerate(titles)
    ]
    for label, cells in [(title, titles), *rows]:
        line = "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        yield f"{label:<{label_width}}  {line}".rstrip()


def _cell(value: float, column: Column) -> str:
    return _shown(value * column.factor, column.digits)


def _shown(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else round(value, _DIGITS)


def _rounded(values: dict[str, float]) -> dict[str, float | None]:
    return {name: _known(value) for name, value in values.items()}


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """Without what is not finite, which JSON has no word for: no bound."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }
