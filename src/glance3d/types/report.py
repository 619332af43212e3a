"""How a scene was made and what to know before trusting it: one section a stage, and warnings.

``report.json`` and the report in ``scene.npz`` are :meth:`Report.to_json`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from glance3d.types.json_record import (
    JsonObject,
    JsonRecord,
    freeze_fields,
    from_json,
    known_fields,
    to_json,
    types_of,
)
from glance3d.types.report_sections import (
    AdditionReport,
    DenseViewReport,
    DepthFitReport,
    Diagnostics,
    ExportReport,
    MadeReport,
    MetricScaleReport,
    PhotosReport,
    RefinementReport,
    TracksReport,
    TrustReport,
)

Stage = Literal[
    "made",
    "photos",
    "known_cameras",
    "depth_alignment",
    "densification",
    "trust",
    "refinement",
    "metric_scale",
    "tracks",
    "additions",
    "export",
]

# Sections whose fields are keys of the report itself; any other one is a key of its own.
_FLAT: dict[str, type[JsonRecord]] = {
    "made": MadeReport,
    "photos": PhotosReport,
    "export": ExportReport,
}
_NESTED: dict[str, Any] = {
    "times": Mapping[str, float],
    "known_cameras": Diagnostics,
    "depth_alignment": Mapping[str, DepthFitReport],
    "densification": Mapping[str, DenseViewReport],
    "trust": TrustReport,
    "refinement": RefinementReport,
    "metric_scale": MetricScaleReport,
    "tracks": TracksReport,
    "additions": tuple[AdditionReport, ...],
}
# Under which key of its own section a stage's warnings are said once more.
_WARNINGS_KEY = {"refinement": "warnings", "metric_scale": "doubts"}
_Section = TypeVar("_Section", bound=JsonRecord)


@dataclass(frozen=True)
class ReportWarning:
    """One sentence that a person should read, who says it, and of what kind it is.

    ``code`` is a word such as "focal_lengths", by which later stages settle a warning; "" where it
    is not known (in a scene of an earlier version).
    """

    stage: str
    code: str
    text: str

    def __str__(self) -> str:
        """The sentence."""
        return self.text

    @classmethod
    def each(cls, stage: str, code: str, texts: Iterable[str]) -> "tuple[ReportWarning, ...]":
        """One for each sentence."""
        return tuple(cls(stage, code, text) for text in texts)


@dataclass(frozen=True)
class Report:
    """One section a stage, None (or empty) where it did not run; nothing is decided by them.

    ``known_cameras`` is of :meth:`glance3d.known_cameras.KnownViews.describe`, ``times`` are the
    seconds of each stage and their total, ``depth_alignment`` and ``densification`` have one entry
    a photo. ``other`` is what a report from elsewhere holds besides.
    """

    made: MadeReport = field(default=MadeReport())
    photos: PhotosReport = field(default=PhotosReport())
    times: Mapping[str, float] | None = None
    known_cameras: Diagnostics | None = None
    depth_alignment: Mapping[str, DepthFitReport] | None = None
    densification: Mapping[str, DenseViewReport] | None = None
    trust: TrustReport | None = None
    refinement: RefinementReport | None = None
    metric_scale: MetricScaleReport | None = None
    tracks: TracksReport | None = None
    additions: tuple[AdditionReport, ...] | None = None
    export: ExportReport = field(default=ExportReport())
    warnings: tuple[ReportWarning, ...] = ()
    other: JsonObject = field(default=JsonObject())

    def __post_init__(self) -> None:
        """Whatever the sections were made from, nothing in them can be changed any more."""
        freeze_fields(self)

    def with_section(
        self, stage: Stage, section: Any, warnings: Sequence[ReportWarning] = ()
    ) -> "Report":
        """The report with this section and these warnings instead of the stage's earlier ones."""
        rest = self.without(stage)
        return replace(rest, **{stage: section}).with_warnings(warnings)

    def without(self, stage: Stage) -> "Report":
        """The report as if this stage had not run."""
        other = {key: value for key, value in self.other.items() if key != stage}
        nothing = _FLAT[stage]() if stage in _FLAT else None
        rest = replace(self, other=JsonObject(other), **{stage: nothing})
        return rest.without_warnings(stage)

    def with_warnings(self, warnings: Sequence[ReportWarning]) -> "Report":
        """The report with more warnings; what an earlier stage said word for word is said once."""
        texts = {warning.text for warning in warnings}
        kept = tuple(warning for warning in self.warnings if warning.text not in texts)
        return replace(self, warnings=(*kept, *warnings))

    def without_warnings(self, stage: Stage | None = None, code: str | None = None) -> "Report":
        """The report without the warnings of a stage, or of a code, or of both together."""
        kept = (
            w for w in self.warnings if stage not in (None, w.stage) or code not in (None, w.code)
        )
        return replace(self, warnings=tuple(kept))

    def with_seconds(self, stage: str, seconds: float) -> "Report":
        """The report with the time that a stage took, and the total with it."""
        times = {**(self.times or {}), stage: seconds}
        parts = (value for key, value in times.items() if key != "total")
        times["total"] = round(sum(parts), 4)
        return replace(self, times=JsonObject(times))

    def to_json(self) -> dict[str, Any]:
        """The report as ``report.json`` has it: dicts, lists, numbers and text."""
        content: dict[str, Any] = {}
        for name, kind in _FLAT.items():
            if getattr(self, name) != kind():
                content |= to_json(getattr(self, name))
        for name in _NESTED:
            section = getattr(self, name)
            if section is not None:
                content[name] = to_json(section)
                if name in _WARNINGS_KEY:
                    texts = [w.text for w in self.warnings if w.stage == name]
                    content[name][_WARNINGS_KEY[name]] = texts
        if self.warnings or content:
            content["warnings"] = [warning.text for warning in self.warnings]
        return {**to_json(self.other), **content}

    def warning_codes(self) -> list[str]:
        """For each warning "stage/code", which JSON does not say."""
        return [f"{warning.stage}/{warning.code}" for warning in self.warnings]

    @classmethod
    def from_json(cls, content: Mapping[str, Any], codes: Sequence[str] | None = None) -> "Report":
        """A report again; what is not as this version writes it is kept in ``other``.

        ``codes`` are those of :meth:`warning_codes`; without them a warning is of the stage whose
        section says it, or else of the scene's making.
        """
        rest = dict(content)
        warnings = _warnings(content, codes)
        if warnings:
            rest.pop("warnings", None)
        sections: dict[str, Any] = {name: _take_flat(kind, rest) for name, kind in _FLAT.items()}
        for name, kind in _NESTED.items():
            sections[name] = _take(kind, name, rest)
        for name, key in _WARNINGS_KEY.items():
            if sections[name] is not None:  # these are among the warnings
                unknown = {k: v for k, v in sections[name].unknown.items() if k != key}
                sections[name] = replace(sections[name], unknown=JsonObject(unknown))
        return cls(**sections, warnings=warnings, other=JsonObject(rest))


def _take(kind: Any, key: str, content: dict[str, Any]) -> Any:
    """The value below this key, taken out; None, and left in, where it is of another type."""
    if content.get(key) is None:
        return None
    try:
        section = from_json(kind, content[key])
    except ValueError:
        return None
    del content[key]
    return section


def _take_flat(kind: type[_Section], content: dict[str, Any]) -> _Section:
    """The section whose fields are keys of the report."""
    known = {}
    for one in known_fields(kind):
        value = _take(types_of(kind)[one.name], one.name, content)
        if value is not None:
            known[one.name] = value
        elif one.name in kind.always and content.get(one.name, 0) is None:
            del content[one.name]
    return kind(**known)


def _warnings(content: Mapping[str, Any], codes: Sequence[str] | None) -> tuple[ReportWarning, ...]:
    """All of the report, and those that only a section says."""
    texts = _texts(content, "warnings")
    of_stage = {name: _texts(content.get(name), key) for name, key in _WARNINGS_KEY.items()}
    if codes is not None:
        if len(codes) != len(texts):
            raise ValueError(f"got {len(codes)} codes for {len(texts)} warnings")
        pairs = [(code.partition("/")[0], code.partition("/")[2]) for code in codes]
    else:
        of_known = _texts(content.get("known_cameras"), "warnings")
        owners = {**of_stage, "known_cameras": of_known}
        stages = [next((name for name in owners if t in owners[name]), "made") for t in texts]
        pairs = [(stage, "") for stage in stages]
    warnings = [ReportWarning(*pair, t) for pair, t in zip(pairs, texts, strict=True)]
    for name, own in of_stage.items():
        warnings += ReportWarning.each(name, "", (text for text in own if text not in texts))
    return tuple(warnings)


def _texts(section: Any, key: str) -> list[str]:
    """The sentences below this key; none where it is no list of sentences."""
    texts = section.get(key) if isinstance(section, Mapping) else None
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        return []
    return list(texts)
