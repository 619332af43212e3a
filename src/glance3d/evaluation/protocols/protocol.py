"""A protocol: a file that says all of what is measured, and its hash.

The files are ``definitions/NAME.toml``. A number is comparable with another only if the protocol's
name, version and hash are the same, and so are the frames.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any

from glance3d.errors import InputError
from glance3d.evaluation.protocols.frames import FrameRule
from glance3d.evaluation.protocols.layouts.table import LAYOUTS, Layout
from glance3d.evaluation.protocols.measures.measure import Measure
from glance3d.evaluation.protocols.measures.table import MEASURES

_MODEL_INPUT = "model"


@dataclass(frozen=True)
class Column:
    """A number that tables show: ``name`` is the measure's, ``mean`` is macro or micro.

    Shown is ``factor`` times the number, with so many ``digits``.
    """

    name: str
    title: str
    mean: str = "macro"
    factor: float = 1.0
    digits: int = 3


@dataclass(frozen=True)
class PublishedNumbers:
    """What somebody else measured, as ``values`` by the name of a column, in our units.

    ``here`` is the name by which Glance3D knows that network, "" if it does not. ``differs`` says
    what is not as in this protocol.
    """

    model: str
    values: Mapping[str, float]
    source: str
    differs: str
    here: str = ""


@dataclass(frozen=True)
class GroundTruth:
    """Where the truth is: ``layout`` is a key of :data:`.layouts.table.LAYOUTS`; else words."""

    layout: str
    cameras: str
    unit: str
    depth: str = "none"
    masks: str = "none"
    surface: str = "none"


@dataclass(frozen=True)
class Protocol:
    """One protocol. ``sha256`` is of the file's text with ``\\n`` at the ends of its lines.

    ``scenes`` are those that count, all of the data where there are none. ``input`` is "model":
    each network sees photos as it was trained to; or the longest side in pixels. Truth is always
    that of the original photos' pixels.
    """

    name: str
    version: int
    about: str
    sha256: str
    scenes: tuple[str, ...]
    frames: FrameRule
    ground_truth: GroundTruth
    measures: tuple[Measure, ...]
    columns: tuple[Column, ...]
    published: tuple[PublishedNumbers, ...]
    sources: tuple[str, ...]
    differs: str
    input: str | int = _MODEL_INPUT

    @property
    def layout(self) -> Layout:
        """What reads the data."""
        return LAYOUTS[self.ground_truth.layout]

    @property
    def needs_depth(self) -> bool:
        """Whether any measure looks at predicted depth."""
        return any(measure.needs_depth for measure in self.measures)


def protocol_names() -> list[str]:
    """All protocols of the package."""
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in _definitions().iterdir()
        if entry.name.endswith(".toml")
    )


def load_protocol(name: str) -> Protocol:
    """The protocol ``NAME``, or ``NAME@VERSION``, which must be the version that is here.

    Raises:
        InputError: there is none.
    """
    plain, _, version = name.partition("@")
    if plain not in protocol_names():
        raise InputError(
            f"protocol must be one of {', '.join(protocol_names())}, got {plain!r}: choose one"
        )
    protocol = parse_protocol((_definitions() / f"{plain}.toml").read_text(encoding="utf-8"), plain)
    if version and version != str(protocol.version):
        raise InputError(
            f"{plain} is here as version {protocol.version}, got {version!r}: leave the version "
            "out, or install the Glance3D that has it"
        )
    return protocol


def parse_protocol(text: str, where: str) -> Protocol:
    """What a protocol's file says.

    Raises:
        InputError: it is no TOML, or a key is unknown, missing or of the wrong kind.
    """
    text = text.replace("\r\n", "\n")
    try:
        record = tomllib.loads(text)
        measures = [dict(one) for one in record.pop("measures")]
        protocol = Protocol(
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            scenes=tuple(record.pop("scenes", ())),
            frames=_build(FrameRule, record.pop("frames")),
            ground_truth=_build(GroundTruth, record.pop("ground_truth")),
            measures=tuple(_build(MEASURES[one.pop("kind")], one) for one in measures),
            columns=tuple(_build(Column, one) for one in record.pop("columns")),
            published=tuple(_build(PublishedNumbers, one) for one in record.pop("published", ())),
            sources=tuple(record.pop("sources")),
            **record,
        )
    except (tomllib.TOMLDecodeError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{where} is no protocol that Glance3D can read: {error}") from error
    if protocol.name != Path(where).stem or protocol.ground_truth.layout not in LAYOUTS:
        raise InputError(f"{where} must state its own name and a known layout of data")
    return protocol


def _build(kind: Any, record: Mapping[str, Any]) -> Any:
    """The dataclass of these keys, all of which it must have; lists become tuples."""
    known = {field.name for field in fields(kind)}
    if unknown := sorted(set(record) - known):
        raise KeyError(f"{kind.__name__} has no {', '.join(unknown)}")
    return kind(
        **{key: tuple(value) if isinstance(value, list) else value for key, value in record.items()}
    )


def _definitions() -> Any:
    return resources.files("glance3d.evaluation.protocols") / "definitions"
