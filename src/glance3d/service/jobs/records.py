"""A job as it is kept: ``job.json`` in its folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

from glance3d.errors import InputError
from glance3d.types.json_record import JsonObject, JsonRecord

State = Literal["uploading", "queued", "running", "done", "failed", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
SCHEMA = "glance3d.job/1"
#: A job during which the server ended so often is not begun once more: it may be why.
MOST_ATTEMPTS = 3

_MOST_VIEWS = 1000
_FEWEST_PIXELS, _MOST_PIXELS = 10_000, 4_000_000


@dataclass(frozen=True)
class JobSettings(JsonRecord):
    """What is to be done: ``model`` by the server's name, ``formats`` beside the usual ones.

    ``refine`` None is where the server can. ``views``: at most so many frames of a clip;
    ``max_pixels``: what the network sees of a photo.

    Raises:
        InputError: a number is outside its range.
    """

    always: ClassVar[frozenset[str]] = frozenset(("model",))

    model: str = ""
    refine: bool | None = None
    formats: tuple[str, ...] = ()
    views: int | None = None
    max_pixels: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no job can be made with."""
        super().__post_init__()
        _refuse_outside("views", self.views, 1, _MOST_VIEWS)
        _refuse_outside("max_pixels", self.max_pixels, _FEWEST_PIXELS, _MOST_PIXELS)


@dataclass(frozen=True)
class InputFile(JsonRecord):
    """A file that was uploaded: its name in the job's folder, and its bytes."""

    name: str = ""
    size: int = 0


@dataclass(frozen=True)
class Job(JsonRecord):
    """One job. ``number`` is its place in the order of all; times are seconds since 1970.

    ``attempts`` counts how often it was begun; ``reason`` says why it failed.

    Raises:
        ValueError: the state is none of ours.
    """

    always: ClassVar[frozenset[str]] = frozenset(("schema", "state"))

    id: str
    number: int
    name: str
    settings: JobSettings
    state: str = "uploading"
    created: float = 0.0
    began: float | None = None
    ended: float | None = None
    attempts: int = 0
    files: tuple[InputFile, ...] = ()
    reason: str = ""
    result: Mapping[str, Any] = field(default=JsonObject())
    schema: str = SCHEMA

    def __post_init__(self) -> None:
        """Refuse what no server writes."""
        super().__post_init__()
        if self.state not in STATES or self.schema != SCHEMA:
            raise ValueError(f"a job of the state {self.state!r}, schema {self.schema!r}")

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self.state in ("done", "failed", "cancelled")


@dataclass(frozen=True)
class JobProgress:
    """How far a running job is: its stage, what it counts there, and the share of the whole."""

    stage: str = ""
    done: int = 0
    total: int = 0
    share: float = 0.0


def _refuse_outside(name: str, value: int | None, low: int, high: int) -> None:
    if value is not None and not low <= value <= high:
        raise InputError(f"{name} must be a whole number from {low} to {high}, got {value}")
