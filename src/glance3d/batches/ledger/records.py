"""What happened to a scene, one small file an event; what a scene's state is follows from them.

Events of a scene are numbered, and an event is a file that is created once and never changed
(``NAME.0001.json``). Of all workers that try to be the next event, one is: a claim, a take-over or
an outcome cannot happen twice, whatever the network disk shows to whom, and a worker that was
taken for lost and wakes up finds its place taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from glance3d.batches.ledger.owners import Owner
from glance3d.types.json_record import JsonObject, JsonRecord

MOST_ATTEMPTS = 3
SCHEMA = "glance3d.batch-event/1"

Kind = Literal["claimed", "released", "failed", "lost", "done", "retried", "void"]
StateName = Literal["pending", "running", "failed", "set aside", "done"]


@dataclass(frozen=True)
class Event(JsonRecord):
    """One event. ``owner`` is whose it is (of "lost": who was lost), ``at`` is for a person.

    ``result`` of "done" is what :mod:`glance3d.batches.summary` shows and what the scene was made
    from. "void" is a file that cannot be read.

    Raises:
        ValueError: the result is none of ours.
    """

    always: ClassVar[frozenset[str]] = frozenset(("schema", "kind"))

    kind: str = "void"
    owner: Owner = field(default_factory=Owner)
    at: str = ""
    seconds: float = 0.0
    reason: str = ""
    result: Mapping[str, Any] = field(default=JsonObject())
    schema: str = SCHEMA

    def __post_init__(self) -> None:
        """Refuse what no worker writes: readers of results ask for names in these."""
        objects = [self.result[key] for key in ("options", "verdicts") if key in self.result]
        if not all(isinstance(one, Mapping) for one in objects):
            raise ValueError("options and verdicts of a result must be objects")


@dataclass(frozen=True)
class Attempt:
    """An attempt that failed."""

    reason: str
    seconds: float


@dataclass(frozen=True)
class SceneState:
    """What the events of a scene come to; ``number`` is the last one's, 0 where there is none."""

    number: int = 0
    last: Event | None = None
    attempts: tuple[Attempt, ...] = ()

    def after(self, event: Event) -> "SceneState":
        """The state once this happened as well."""
        attempts = self.attempts
        if event.kind == "retried":
            attempts = ()
        elif event.kind in ("failed", "lost"):
            attempts = (*attempts, Attempt(event.reason, event.seconds))
        last = self.last if event.kind == "void" else event
        return SceneState(self.number + 1, last, attempts)

    @property
    def name(self) -> StateName:
        """In a word."""
        kind = None if self.last is None else self.last.kind
        if kind == "done":
            return "done"
        if kind == "claimed":
            return "running"
        if len(self.attempts) >= MOST_ATTEMPTS:
            return "set aside"
        return "failed" if self.attempts else "pending"

    @property
    def is_final(self) -> bool:
        """Whether nothing is left to do, unless somebody asks for it."""
        return self.name in ("done", "set aside")

    @property
    def is_free(self) -> bool:
        """Whether anybody may claim it."""
        return self.name in ("pending", "failed")
