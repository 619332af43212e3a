"""The parts of a ``scene.npz`` that are JSON, into checked types: metadata, verdicts, report."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar, get_args, get_type_hints

from glance3d.errors import SceneError
from glance3d.files.json_input import parse_json, refuse_odd_numbers
from glance3d.text import counted
from glance3d.types import (
    REGISTERED_BY,
    TRACKED_BY,
    VERDICTS,
    PhotoMetadata,
    Report,
    ViewTrust,
)

_MAX_WORDS = 10_000  # characters of a sentence
_EARLIER_CODES = {"the focal lengths of ": "focal_lengths", "glance-small: ": "model_limits"}
_Record = TypeVar("_Record", PhotoMetadata, ViewTrust)


class _Whole(dict):
    """An object of which readers take all keys for granted."""


# What is read of a report again, and what it must be where it is there; anything else may stand
# beside it. A list holds any number of what it names, and an object may lack keys.
_NUMBER = (int, float)
_REPORT: dict[str, Any] = {
    "warnings": [str],
    "checks": {},
    "skipped": [{"source": str, "reason": str}],
    "views": [{}],
    "additions": [{}],
    "masks": ({"network_saw": str}, None),
    "tracks": {"by": str, "meaning": str},
    "refinement": {"registered_by": {"*": str}},
    "metric_scale": _Whole(
        applied=bool,
        units=str,
        world=str,
        scale_by=(str, None),
        frame_by=(str, None),
        metres_per_unit=(_NUMBER, None),
        interval_95=([_NUMBER], None),
        doubts=[str],
    ),
    "trust": {"contradictions": [_Whole(reason=str)]},
    "times": {"*": _NUMBER},
}


def parse_metadata(text: str, num_views: int) -> tuple[PhotoMetadata, ...]:
    """One record a view, or none at all. Raises ``SceneError``."""
    metadata = _records(text, "facts", PhotoMetadata)
    if metadata and len(metadata) != num_views:
        raise _one_each("metadata of", len(metadata), num_views)
    return metadata


def parse_trust(text: str, num_views: int) -> tuple[ViewTrust, ...]:
    """One judgement a view, its verdict and origin among those that there are."""
    trust = _records(text, "trust", ViewTrust)
    if len(trust) != num_views:
        raise _one_each("verdicts on", len(trust), num_views)
    for view in trust:
        if view.verdict not in VERDICTS or view.registered_by not in REGISTERED_BY:
            raise SceneError(
                f"it has the verdict {view.verdict[:40]!r} by {view.registered_by[:40]!r}; there "
                f"are {', '.join(VERDICTS)}, by {', '.join(REGISTERED_BY)}"
            )
    return trust


def parse_report(text: str, codes: Sequence[str] | None = None) -> Report:
    """The report, an object in which what is read again has the types that readers expect.

    ``codes`` are those of its warnings; scenes of earlier versions have none.
    """
    content = _parse(text, "report")
    if not isinstance(content, dict):
        raise SceneError(f"its report is a {type(content).__name__}, not an object")
    _check(content, _REPORT, "report")
    try:
        report = Report.from_json(content, codes)
    except ValueError as error:
        raise SceneError(f"its warning_codes do not fit its report: {error}") from error
    return report if codes is not None else _with_earlier_codes(report)


def _with_earlier_codes(report: Report) -> Report:
    """The codes of those warnings that later stages settle, by how earlier versions began them."""
    warnings = []
    for warning in report.warnings:
        codes = (code for start, code in _EARLIER_CODES.items() if warning.text.startswith(start))
        warnings.append(replace(warning, code=next(codes, "")))
    return replace(report, warnings=tuple(warnings))


def earlier_mask_input(report: Report) -> bool:
    """Whether the network saw masked photos, as earlier versions say in the report alone."""
    masks = report.to_json().get("masks") or {}
    return masks.get("network_saw") == "masked photos"


def earlier_tracked_by(report: Report) -> str:
    """How tracks were followed, likewise."""
    method = report.to_json().get("tracks", {}).get("by")
    return method if method in TRACKED_BY else "network"


def earlier_registered_by(report: Report, names: Sequence[str]) -> tuple[str, ...]:
    """What each camera rests on, likewise; photos that were added since rest on the network."""
    registered_by = report.to_json().get("refinement", {}).get("registered_by")
    if registered_by is None:
        return ()
    each = (registered_by.get(name) for name in names)
    return tuple(by if by in REGISTERED_BY else "network" for by in each)


def _parse(text: str, name: str) -> Any:
    value = parse_json(text, f"its {name}", error=SceneError)
    refuse_odd_numbers(value, f"its {name}", error=SceneError)
    return value


def _records(text: str, name: str, kind: type[_Record]) -> tuple[_Record, ...]:
    """A JSON list of objects with exactly the fields of a dataclass, each of its type."""
    entries = _parse(text, name)
    if not isinstance(entries, list):
        raise SceneError(f"its {name} are no list")
    return tuple(_record(entry, f"{name}[{view}]", kind) for view, entry in enumerate(entries))


def _record(entry: Any, where: str, kind: type[_Record]) -> _Record:
    known = {field.name for field in fields(kind)}
    if not isinstance(entry, dict) or not entry.keys() <= known:
        raise SceneError(f"its {where} is no {kind.__name__}")
    hints = get_type_hints(kind)
    values = {}
    for field in fields(kind):
        value = entry.get(field.name)
        types = get_args(hints[field.name]) or (hints[field.name],)
        # A whole number in JSON may stand for any number.
        if float in types and type(value) is int:
            value = float(value)
        if type(value) not in types or (isinstance(value, str) and len(value) > _MAX_WORDS):
            raise SceneError(f"its {where} has a {field.name} of the wrong type")
        values[field.name] = value
    return kind(**values)


def _check(value: Any, wanted: Any, where: str) -> None:
    """Refuse a value of another type than ``wanted`` says; see ``_REPORT``."""
    if isinstance(wanted, tuple) and None in wanted:
        if value is not None:
            _check(value, wanted[0], where)
    elif isinstance(wanted, list):
        _refuse_unless(isinstance(value, list), where)
        for index, item in enumerate(value):
            _check(item, wanted[0], f"{where}[{index}]")
    elif isinstance(wanted, dict):
        _refuse_unless(isinstance(value, dict), where)
        if isinstance(wanted, _Whole) and not wanted.keys() <= value.keys():
            raise SceneError(f"its {where} lacks {min(wanted.keys() - value.keys())}")
        for key, item in value.items():
            if key in wanted or "*" in wanted:
                _check(item, wanted.get(key, wanted.get("*")), f"{where}.{key[:40]}")
    else:
        is_flag = isinstance(value, bool)
        _refuse_unless(isinstance(value, wanted) and is_flag == (wanted is bool), where)


def _refuse_unless(fits: bool, where: str) -> None:
    if not fits:
        raise SceneError(f"its {where} is of the wrong type")


def _one_each(what: str, number: int, num_views: int) -> SceneError:
    return SceneError(f"it has {what} {counted(number, 'photo')}, but {counted(num_views, 'view')}")
