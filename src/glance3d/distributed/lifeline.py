"""Who of a group is alive, and how the first one that failed ended.

Every rank says once in a while that it is there, and looks whether the next one still does: by a
store that all can reach (a table of keys and bytes), from a thread of its own. So nobody waits for
ever, also where a collective of a GPU would. Who fails writes down why; the first one counts.
"""

import json
import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

BEATS = 10  # signs of life in the time after which a silent rank is given up
LONGEST_BEAT = 1.0  # seconds
GRACE_BEATS = 4  # for a rank to end by itself once another has failed
_POLL_SECONDS = 0.1
_FAILURE, _LEFT, _DONE = "failure", "left", "done"


@dataclass(frozen=True)
class Ending:
    """Which rank ended, with which exit code and which sentence; "" where it said none."""

    rank: int
    code: int
    sentence: str = ""

    def describe(self, size: int) -> str:
        """For the other ranks."""
        why = self.sentence or (
            "it was killed, or its machine is not to be reached; look there, and start all again"
        )
        return f"rank {self.rank} of {size} ended: {why}"


class Lifeline:
    """One rank's signs of life, and its look at the others; ``timeout`` in seconds."""

    def __init__(self, store: Any, rank: int, size: int, timeout: float) -> None:
        self.rank, self.size, self.timeout = rank, size, timeout
        self.beat = min(LONGEST_BEAT, timeout / BEATS)
        self._store = store
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._store.add(f"alive/{rank}", 1)

    def missing(self) -> list[int]:
        """Ranks that have never given a sign of life."""
        return [r for r in range(self.size) if not self._store.check([f"alive/{r}"])]

    def start(self) -> None:
        """Give signs of life, and watch the next rank's."""
        self._thread = threading.Thread(target=self._watch, name="ranks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Neither give signs of life nor watch any more."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(self.beat * GRACE_BEATS)

    def report(self, ending: Ending) -> Ending:
        """Write down that a rank failed; the first failure of the group, which may be another."""
        text = json.dumps(asdict(ending))
        self._store.compare_set(f"ended/{ending.rank}", "", ending.sentence)
        return Ending(**json.loads(self._store.compare_set(_FAILURE, "", text)))

    def first_says(self, sentence: str) -> bool:
        """Whether rank 0 ends, now or in a moment, with this sentence."""
        until = time.monotonic() + GRACE_BEATS * self.beat
        with suppress(RuntimeError):
            while time.monotonic() < until:
                if self._store.check(["ended/0"]):
                    return self._store.get("ended/0").decode() == sentence
                time.sleep(self.beat / 10)
        return False

    def failure(self) -> Ending | None:
        """The first failure, if there was one; that of rank 0 if the store is gone."""
        try:
            if not self._store.check([_FAILURE]):
                return None
            return Ending(**json.loads(self._store.get(_FAILURE)))
        except RuntimeError:  # where the store was there is no process any more
            return Ending(0, 1)

    def find_failure(self) -> Ending:
        """Why a collective failed: what was written down, or a rank that has fallen silent.

        Waits for some signs of life at most.
        """
        silent = self.silent()
        if (failure := self.failure()) is not None:
            return failure
        failed = Ending(silent[0] if silent else self.rank, 1)
        if not silent:
            failed = Ending(self.rank, 1, "it lost the connection to the others")
        with suppress(RuntimeError):
            return self.report(failed)
        return failed

    def silent(self) -> list[int]:
        """Ranks that give no sign of life for some beats; none once a failure is written down."""
        before = self._signs()
        until = time.monotonic() + GRACE_BEATS * self.beat
        while time.monotonic() < until:
            if self.failure() is not None:
                return []
            time.sleep(self.beat / 2)
        signs = self._signs().items()
        return [r for r, sign in signs if r != self.rank and before.get(r) == sign]

    def _signs(self) -> dict[int, bytes]:
        with suppress(RuntimeError):
            return {r: bytes(self._store.get(f"alive/{r}")) for r in range(self.size)}
        return {}

    def _watch(self) -> None:
        watched = (self.rank + 1) % self.size
        seen, since = b"", time.monotonic()
        while not self._stop.wait(self.beat):
            failure = self.failure()
            with suppress(RuntimeError):
                self._store.add(f"alive/{self.rank}", 1)
                sign = bytes(self._store.get(f"alive/{watched}"))
                if sign != seen:
                    seen, since = sign, time.monotonic()
            if failure is None and time.monotonic() - since > self.timeout:
                failure = self.report(Ending(watched, 1))
            if failure is not None:
                self._end_after_grace(failure)
                return

    def _end_after_grace(self, failure: Ending) -> None:
        """The main thread notices by itself, or it waits for what does not come."""
        if self._stop.wait(GRACE_BEATS * self.beat):
            return
        with suppress(OSError):
            if failure.rank == 0 and failure.sentence:
                os._exit(failure.code)  # it has said so itself
            os.write(2, f"glance3d: {failure.describe(self.size)}\n".encode())
            sys.stdout.flush()
        os._exit(failure.code)

    def leave(self) -> None:
        """Say goodbye; rank 0, which may hold the store, waits a little for all others to do so."""
        self.stop()
        with suppress(RuntimeError):
            if self.rank:
                self._store.add(_LEFT, 1)
                return
            failure, others = self.failure(), self.size - 1
            if failure is not None and failure.rank and not failure.sentence:
                others -= 1  # the dead say nothing
            until = time.monotonic() + 2 * GRACE_BEATS * self.beat
            while time.monotonic() < until and self._store.add(_LEFT, 0) < others:
                time.sleep(self.beat / 10)

    def say_done(self, code: int) -> None:
        """Rank 0 is done with what it did alone."""
        self._store.set(_DONE, str(code))

    def wait_until_done(self) -> Ending:
        """How rank 0 ended, which works alone as long as it likes; no sentence if it was killed."""
        while True:
            if (failure := self.failure()) is not None:
                return failure
            with suppress(RuntimeError):  # where the store is gone, the next look says so
                if self._store.check([_DONE]):
                    return Ending(0, int(self._store.get(_DONE)), _DONE)
            time.sleep(_POLL_SECONDS)
