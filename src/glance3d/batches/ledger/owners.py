"""Who works at a scene, and whether they still do.

A worker's heart beats into a small file of its own, which changes with every beat and names the
process. Clocks of machines differ, so that nobody reads a time in it: who waits for a worker looks
whether the file changes, by a clock of its own. A process of the same machine that is gone is known
to be gone at once.
"""

import os
import platform
import re
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from glance3d.errors import OutputError
from glance3d.files.atomic import save_bytes
from glance3d.types.json_record import JsonRecord

#: Seconds without a beat after which a worker counts as lost: more than network disks (NFS) keep
#: what they have read of a file, and a few beats.
LEASE_SECONDS = 120.0
_BEATS_A_LEASE = 8
_BEAT_LIMIT = 200  # bytes

Clock = Callable[[], float]


@dataclass(frozen=True)
class Owner(JsonRecord):
    """A worker: its process on a machine. ``machine`` is "" where processes cannot be looked at.

    ``started`` tells apart two processes that had one number after the other.
    """

    id: str = ""
    host: str = ""
    process: int = 0
    machine: str = ""
    started: str = ""

    @classmethod
    def this(cls) -> "Owner":
        """A new one for this process."""
        host = re.sub(r"[^A-Za-z0-9.-]", "_", platform.node())[:60] or "host"
        process = os.getpid()
        return cls(
            id=f"{host}-{process}-{secrets.token_hex(4)}",
            host=host,
            process=process,
            machine=_machine(),
            started=_started(process) or "",
        )

    @property
    def is_known_gone(self) -> bool:
        """Whether it ran on this machine, and its process is there no more."""
        is_here = bool(self.machine) and self.machine == _machine()
        return is_here and _started(self.process) != self.started

    @property
    def is_known_here(self) -> bool:
        """Whether it runs on this machine."""
        is_here = bool(self.machine) and self.machine == _machine()
        return is_here and _started(self.process) == self.started

    def __str__(self) -> str:
        """As a person finds it."""
        return f"process {self.process} on {self.host}"


@lru_cache(maxsize=1)
def _machine() -> str:
    """This boot of this machine and this space of process numbers (containers have their own)."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116
    return ""


def _started(process: int) -> str | None:
    """When a process of this machine began, in ticks since the boot; None if there is none."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    state, *rest = text.rpartition(")")[2].split()
    return None if state in "ZX" else rest[18]  # 22nd field of proc(5); dead ones wait for a parent


class Heart:
    """Beats into ``folder`` for one owner, from a thread of its own while it is entered."""

    def __init__(self, folder: Path, owner: Owner, lease_seconds: float = LEASE_SECONDS) -> None:
        self._path, self._owner = folder / owner.id, owner
        self._seconds = lease_seconds / _BEATS_A_LEASE
        self._count = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)

    def beat(self) -> None:
        """Change the file once.

        Raises:
            OutputError: the file system refuses.
        """
        self._count += 1
        owner = self._owner
        lines = f"{self._count}\n{owner.machine}\n{owner.process}\n{owner.started}\n"
        save_bytes(self._path, lines.encode())

    def _run(self) -> None:
        while not self._end.wait(self._seconds):
            with suppress(OutputError):  # a disk may come back before the others lose patience
                self.beat()

    def __enter__(self) -> "Heart":
        self.beat()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop, and leave nothing."""
        self._end.set()
        self._thread.join()
        with suppress(OSError):
            self._path.unlink()


@dataclass
class Watch:
    """Looks at the hearts of others in ``folder``, by a clock of this process."""

    folder: Path
    lease_seconds: float = LEASE_SECONDS
    clock: Clock = time.monotonic
    _seen: dict[str, tuple[bytes, float]] = field(default_factory=dict)

    def is_lost(self, owner: Owner) -> bool:
        """Whether the worker is known to be gone, or its heart was seen still for too long."""
        return owner.is_known_gone or self._seconds_still(owner) >= self.lease_seconds

    def bury(self, owner: Owner) -> None:
        """Remove what a lost worker has left; one that only slept makes it anew."""
        if not self._is_name(owner.id):
            return
        with suppress(OSError):
            (self.folder / owner.id).unlink()

    def sweep(self) -> None:
        """Remove the hearts of workers of this machine that are gone, whatever they were at."""
        for path in self.folder.iterdir():
            with suppress(ValueError):  # one that ended meanwhile, or says no process
                lines = self._beat(Owner(path.name)).decode().splitlines()
                _, machine, process, started = lines
                owner = Owner(path.name, "", int(process), machine, started)
                if owner.is_known_gone:
                    self.bury(owner)

    @staticmethod
    def _is_name(text: str) -> bool:
        """Whether it stays in the folder: events may come from anywhere."""
        return bool(text) and not text.startswith(".") and not {"/", "\\"} & set(text)

    def _seconds_still(self, owner: Owner) -> float:
        now, beat = self.clock(), self._beat(owner)
        before = self._seen.get(owner.id)
        if before is None or before[0] != beat:
            self._seen[owner.id] = before = beat, now
        return now - before[1]

    def _beat(self, owner: Owner) -> bytes:
        if not self._is_name(owner.id):
            return b""
        try:
            with (self.folder / owner.id).open("rb") as file:
                return file.read(_BEAT_LIMIT)
        except OSError:
            return b""
