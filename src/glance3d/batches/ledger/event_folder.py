"""The ledger: the events of all scenes in one hidden folder that any number of workers share.

``DIR/.glance3d-batch/`` holds ``events/`` (:mod:`glance3d.batches.ledger.records`), ``beats/``
(:mod:`glance3d.batches.ledger.owners`) and ``logs/``, what the library said of each scene.
"""

import re
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from glance3d.batches.ledger.owners import LEASE_SECONDS, Clock, Owner
from glance3d.batches.ledger.records import SCHEMA, Event, Kind, SceneState
from glance3d.errors import OutputError
from glance3d.files.atomic import errors_named, to_json_text
from glance3d.files.exclusive import create_once
from glance3d.files.json_input import read_json_object
from glance3d.files.name_keys import composed
from glance3d.types.json_record import JsonObject, from_json, to_json

LEDGER_FOLDER = ".glance3d-batch"
_EVENT_FILE = re.compile(r"(?P<name>.+)\.(?P<number>\d{4,6})\.json")
_EVENT_LIMIT = 1024**2  # bytes


class Ledger:
    """The states of a batch's scenes, as this worker knows them since the last ``refresh``."""

    def __init__(
        self, out: Path, *, lease_seconds: float = LEASE_SECONDS, clock: Clock = time.monotonic
    ) -> None:
        self.folder = out / LEDGER_FOLDER
        self.events = self.folder / "events"
        self.beats = self.folder / "beats"
        self.logs = self.folder / "logs"
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._states: dict[str, SceneState] = {}
        self._unread: dict[Path, float] = {}

    def open(self) -> None:
        """Make the folders, and read what is there.

        Raises:
            OutputError: the file system refuses.
        """
        for folder in (self.events, self.beats, self.logs):
            with errors_named(folder):
                folder.mkdir(parents=True, exist_ok=True)
        self.refresh()

    def state(self, name: str) -> SceneState:
        """Of a scene, which may have no events yet."""
        return self._states.get(composed(name), SceneState())

    def names(self) -> list[str]:
        """All scenes that have events, also those of an earlier list."""
        return sorted(self._states)

    def refresh(self) -> None:
        """Read the events that are new."""
        with errors_named(self.events):
            files = [_EVENT_FILE.fullmatch(path.name) for path in self.events.iterdir()]
        numbered = sorted((composed(m["name"]), int(m["number"])) for m in files if m)
        for name, number in numbered:
            if number == self.state(name).number + 1:
                self._read_next(name)

    def append(
        self,
        name: str,
        number: int,
        kind: Kind,
        owner: Owner,
        *,
        seconds: float = 0.0,
        reason: str = "",
        result: dict[str, Any] | None = None,
    ) -> bool:
        """Be event ``number`` of a scene; False if somebody else is.

        Raises:
            OutputError: the file system refuses.
        """
        event = Event(
            kind, owner, _now(), round(seconds, 3), reason, JsonObject(result or {}), SCHEMA
        )
        text = to_json_text(to_json(event), indent=1) + "\n"
        is_made = create_once(self.path(name, number), text.encode(errors="backslashreplace"))
        self._read_next(name)
        return is_made

    def path(self, name: str, number: int) -> Path:
        """The file of an event."""
        return self.events / f"{composed(name)}.{number:04d}.json"

    def _read_next(self, name: str) -> None:
        """Read on from the last event that is known, by name: lists of folders may be old."""
        while True:
            state = self.state(name)
            event = self._read(self.path(name, state.number + 1))
            if event is None:
                return
            self._states[composed(name)] = state.after(event)

    def _read(self, path: Path) -> Event | None:
        """The event; void if there is a file that stays unreadable, None if not (yet)."""
        if not path.exists():
            return None
        try:
            record = read_json_object(path, error=OutputError, limit=_EVENT_LIMIT)
            event = from_json(Event, record)
        except (OutputError, TypeError, ValueError, KeyError):
            # It may be on its way; its writer may also have died on a disk without links.
            first = self._unread.setdefault(path, self._clock())
            return Event() if self._clock() - first >= self._lease_seconds else None
        return event if event.schema == SCHEMA else replace(event, kind="void")


def is_current(ledger_events: Path, name: str, number: int) -> bool:
    """Whether event ``number`` of a scene is still its last: of a claim, that it still holds."""
    following = ledger_events / f"{composed(name)}.{number + 1:04d}.json"
    return not following.exists()


def strangers(ledger: Ledger, names: Iterable[str]) -> list[str]:
    """Scenes that the ledger knows of an earlier list."""
    known = {composed(name) for name in names}
    return [name for name in ledger.names() if name not in known]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
