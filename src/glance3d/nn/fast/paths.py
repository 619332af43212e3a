"""Which fast path runs: each is tried once on the machine at hand, against the plain steps.

Processors, libraries and numbers of threads differ too much for rules: what doubles the speed of
one processor halves that of another, or does not run there. ``operations.py`` lists what has fast
paths. The first time an operation is needed, all of its paths run on a small example of the real
kind, in some hundredths of a second (``trial.py``). One is used if it gave what the plain steps
give and was faster by a margin; one that raised is not called again. The choice holds for the
process.

A choice by speed may fall the other way in another process where two paths are about as fast, and
their results differ in the last bits. ``GLANCE3D_FAST=off`` runs the plain steps everywhere, and
``GLANCE3D_FAST=blocks,onednn`` only the paths that it names beside them. Training has no choices
but the renderer's: paths keep no gradients.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from glance3d.errors import ConfigError
from glance3d.nn.fast.operations import PLAIN, TABLE, Operation
from glance3d.nn.fast.trial import Choice, Clock, Trial, clock_for, try_paths

_LOG = logging.getLogger("glance3d")
VARIABLE = "GLANCE3D_FAST"


@dataclass(frozen=True)
class Key:
    """What a choice depends on."""

    operation: str
    kind: str
    device: str
    dtype: torch.dtype
    num_threads: int
    setting: str


_UNTRIED = Choice(PLAIN)


class FastPaths:
    """The choices of a process. ``clock`` is for tests, and so is ``decided``: paths by operation.

    ``decided`` paths are used without a trial.
    """

    def __init__(self, clock: Clock | None = None, decided: Mapping[str, str] | None = None):
        self.choices: dict[Key, Choice] = {}
        self._clock, self._decided = clock, dict(decided or {})
        self._lock = threading.RLock()  # one trial at a time, but one may ask for another's choice

    def choose(
        self,
        operation: Operation,
        kind: str,
        device: torch.device,
        dtype: torch.dtype,
        make_trial: Callable[[], Trial],
    ) -> Choice:
        """The choice for a kind of example, remembered; ``make_trial`` gives all paths to try.

        Of a dtype that the operation states no tolerance for, the plain steps.
        """
        if dtype not in operation.tolerances:
            return _UNTRIED
        key = Key(
            operation.name,
            kind,
            str(device),
            dtype,
            torch.get_num_threads(),
            os.environ.get(VARIABLE, ""),
        )
        choice = self.choices.get(key)
        if choice is None:
            with self._lock:
                # Looked up again: another thread may have tried it while this one waited.
                choice = self.choices.get(key) or self._made(operation, key, device, make_trial)
                self.choices[key] = choice
        return choice

    def _made(
        self,
        operation: Operation,
        key: Key,
        device: torch.device,
        make_trial: Callable[[], Trial],
    ) -> Choice:
        if (path := self._decided.get(operation.name)) is not None:
            return Choice(path)
        allowed = allowed_paths(key.setting)
        if allowed is not None and not allowed & set(operation.paths):
            return Choice(PLAIN, reasons=dict.fromkeys(operation.paths, _switched_off(key)))
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            trial = make_trial()
            reasons = {
                path: _switched_off(key)
                for path in trial
                if path != PLAIN and allowed is not None and path not in allowed
            }
            ways = {path: way for path, way in trial.items() if path not in reasons}
            tolerance = operation.tolerances.get(key.dtype, 0.0)
            choice = try_paths(
                ways, operation.margin, tolerance, self._clock or clock_for(device), device
            )
        for path, reason in choice.reasons.items():
            _LOG.debug("%s (%s): not by %s: %s", operation.name, key.kind, path, reason)
        return Choice(choice.path, choice.speedups, {**reasons, **choice.reasons})

    def describe(self) -> list[dict[str, Any]]:
        """All choices made so far, JSON-ready, in the order of the table."""
        order = list(TABLE)
        return [
            {
                "operation": key.operation,
                "kind": key.kind,
                "device": key.device,
                "dtype": str(key.dtype).removeprefix("torch."),
                "num_threads": key.num_threads,
                "path": choice.path,
                "plain": TABLE[key.operation].plain,
                "speedups": {path: round(ratio, 2) for path, ratio in choice.speedups.items()},
                "reasons": dict(choice.reasons),
            }
            for key, choice in sorted(
                self.choices.items(), key=lambda item: (order.index(item[0].operation), str(item))
            )
        ]


def allowed_paths(setting: str) -> set[str] | None:
    """The paths that the environment's ``GLANCE3D_FAST`` allows; None if it allows all."""
    names = {name.strip() for name in setting.split(",") if name.strip()}
    if not names or names == {"on"}:
        return None
    if names == {"off"}:
        return set()
    known = {path for operation in TABLE.values() for path in operation.paths}
    if unknown := names - known:
        raise ConfigError(
            f"{VARIABLE} names no fast path with {', '.join(sorted(unknown))}; set it to on, off, "
            f"or some of {', '.join(sorted(known))}"
        )
    return names


def _switched_off(key: Key) -> str:
    return f"switched off by {VARIABLE}={key.setting}"


_current = FastPaths()


def current() -> FastPaths:
    """The choices in force."""
    return _current


@contextmanager
def using(paths: FastPaths) -> Iterator[FastPaths]:
    """Other choices inside, for all threads: for tests and benchmarks."""
    global _current
    before, _current = _current, paths
    try:
        yield paths
    finally:
        _current = before


def choose(
    operation: Operation,
    kind: str,
    device: torch.device,
    dtype: torch.dtype,
    make_trial: Callable[[], Trial],
) -> str:
    """The path to take now: ``plain``, or a name of the operation's ``paths``."""
    return _current.choose(operation, kind, device, dtype, make_trial).path
