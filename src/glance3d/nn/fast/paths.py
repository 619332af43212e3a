"""Which fast path runs: each is tried once on the machine at hand, against the plain steps.

Processors, libraries and numbers of threads differ too much for rules: what doubles the speed of
one processor halves that of another, or does not run there. :data:`TABLE` lists the operations that
have fast paths. The first time one of them is needed, all of its paths run on a small example of
the real kind, in some hundredths of a second. One is used if it gave what the plain steps give and
was faster by a margin; one that raised is not called again. The choice holds for the process.

A choice by speed may fall the other way in another process where two paths are about as fast, and
their results differ in the last bits. ``GLANCE3D_FAST=off`` runs the plain steps everywhere, and
``GLANCE3D_FAST=blocks,onednn`` only the paths that it names beside them. Training has no choices
but the renderer's: paths keep no gradients.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from glance3d.errors import ConfigError

_LOG = logging.getLogger("glance3d")
VARIABLE = "GLANCE3D_FAST"
PLAIN = "plain"
ROUNDS = 5  # of which the fastest counts; other programs only ever make a run slower
ENOUGH_SECONDS = 0.05  # for the rounds of one trial, each of which is finished
LEAST_ROUNDS = 3  # one alone may have been disturbed
HOPELESS = 2.0  # times slower than another in the same rounds: not run again
FINE_CLOCK = 1e-5  # seconds between two readings of a clock that can tell short runs apart

#: Paths to the same result by name, ready to run on one example: tensors in, tensors out.
Trial = Mapping[str, Callable[[], Any]]
#: Seconds, from any beginning.
Clock = Callable[[], float]


@dataclass(frozen=True)
class Operation:
    """Something that can be computed by several paths.

    ``plain`` says what always works, ``paths`` what each other one does. A path is used if it
    needs at most 1 / ``margin`` of the plain seconds. ``tolerances``: how far it may be off, as a
    share of the largest plain number, by dtype.
    """

    name: str
    plain: str
    paths: Mapping[str, str]
    margin: float = 1.05
    tolerances: Mapping[torch.dtype, float] = field(
        default_factory=lambda: {torch.float32: 1e-4, torch.bfloat16: 2e-2}
    )


_THROUGH_FLOAT32 = "weights and inputs converted, products in float32"

LINEAR = Operation(
    "linear",
    "F.linear, then F.gelu where asked for",
    {
        "onednn": "oneDNN's linear, GELU fused",
        "onednn-apart": "oneDNN's linear, then GELU in place",
        "float32": f"F.linear of bfloat16: {_THROUGH_FLOAT32}",
    },
)
ATTENTION = Operation(
    "attention",
    "F.scaled_dot_product_attention",
    {"blocks": "whole products for as many queries as the cache takes; in bfloat16 by sigmoid"},
)
CONVOLUTION = Operation(
    "convolution",
    "maps stored channel by channel",
    {
        "channels-last": "maps stored pixel by pixel",
        "float32": f"channel by channel, of bfloat16: {_THROUGH_FLOAT32}",
        "channels-last-float32": f"pixel by pixel, of bfloat16: {_THROUGH_FLOAT32}",
    },
)
BFLOAT16 = Operation(
    "precision",
    "float32",
    {"bfloat16": "large products in bfloat16, where nobody asks for a precision"},
    margin=1.2,
    tolerances={torch.float32: 3e-2},
)
FUSED_STEPS = Operation(
    "norms and rotations",
    "step by step",
    {"triton": "Triton kernels"},
    tolerances={torch.bfloat16: 2e-2},
)
RENDERING = Operation(
    "rendering",
    "step by step",
    {"compile": "torch.compile; tried only where it is asked for, since it takes half a minute"},
    tolerances={torch.float32: 1e-2},
)

#: Every choice there is.
TABLE = {
    operation.name: operation
    for operation in (LINEAR, ATTENTION, CONVOLUTION, BFLOAT16, FUSED_STEPS, RENDERING)
}


@dataclass(frozen=True)
class Key:
    """What a choice depends on."""

    operation: str
    kind: str
    device: str
    dtype: torch.dtype
    num_threads: int
    setting: str


@dataclass(frozen=True)
class Choice:
    """The path that runs, and why: ``speedups`` over the plain steps, ``reasons`` against others.

    Paths that raised, or whose numbers are wrong, have a reason and no speed-up.
    """

    path: str
    speedups: Mapping[str, float] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)


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
            choice = _try(
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


def clock_for(device: torch.device) -> Clock:
    """Of this thread alone where it does all the work: other programs then do not count."""
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    if alone and time.get_clock_info("thread_time").resolution <= FINE_CLOCK:
        return time.thread_time
    return time.perf_counter


def _try(
    ways: Trial, margin: float, tolerance: float, clock: Clock, device: torch.device
) -> Choice:
    """Run all ways once for their results, then those that are right in turn for their speed."""
    right, reasons = _right_ones(ways, tolerance)
    seconds: dict[str, float] = {}
    running, spent = right, 0.0
    # All paths in turn, round after round, so that a busy moment of the machine hits all alike.
    for number in range(1, 1 + (ROUNDS if len(right) > 1 else 0)):
        for path in running:
            taken = _timed(ways[path], clock, device)
            # The least of all rounds: other programs only ever add to it.
            seconds[path] = min(taken, seconds.get(path, taken))
            spent += taken
        if number < LEAST_ROUNDS:
            continue
        best = min(seconds.values())
        # What is far behind is not timed again.
        running = [path for path in running if seconds[path] <= HOPELESS * best]
        if spent >= ENOUGH_SECONDS or len(running) < 2:
            break
    plain = seconds.get(PLAIN, 0.0)
    speedups = {path: plain / max(seconds[path], 1e-9) for path in seconds if path != PLAIN}
    path = max(speedups, key=lambda name: speedups[name], default=PLAIN)
    # By a margin, or noise would choose another path in every process.
    path = path if speedups.get(path, 0.0) >= margin else PLAIN
    slower = {
        name: f"{ratio:.2f} times as fast as the plain steps" for name, ratio in speedups.items()
    }
    slower.pop(path, None)
    return Choice(path, speedups, {**reasons, **slower})


def _right_ones(ways: Trial, tolerance: float) -> tuple[list[str], dict[str, str]]:
    """The paths whose results are the plain one's, and what is against the others."""
    right, reasons = [PLAIN], {}
    expected = tree_leaves(ways[PLAIN]())
    for path, way in ways.items():
        if path == PLAIN:
            continue
        try:
            off = _largest_difference(tree_leaves(way()), expected)
        except Exception as error:  # a library can fail in any way; the plain steps always work
            lines = str(error).strip().splitlines() or [""]
            reasons[path] = f"does not run here: {type(error).__name__}: {lines[0]}"[:300]
            continue
        if off <= tolerance:
            right.append(path)
        else:
            reasons[path] = f"gives other numbers: off by {off:.1e} of the largest"
            _LOG.warning("a fast path (%s) %s: not used", path, reasons[path])
    return right, reasons


def _largest_difference(given: list[Tensor], expected: list[Tensor]) -> float:
    """As a share of the largest number; infinite where anything is not finite, or missing."""
    if len(given) != len(expected):
        return float("inf")
    worst = 0.0
    for a, b in zip(given, expected, strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            return float("inf")
        # The maximum keeps NaN, and NaN is not equal to itself: it counts as infinitely far.
        error = float((a.float() - b.float()).abs().max() / b.float().abs().max().clamp_min(1e-30))
        worst = max(worst, error if error == error else float("inf"))
    return worst


def _timed(step: Callable[[], Any], clock: Clock, device: torch.device) -> float:
    _wait_for(device)
    start = clock()
    step()
    _wait_for(device)
    return clock() - start


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


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


def example(*shape: int, device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """Numbers to try paths on, the same each time; the program's random numbers are left alone."""
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator).to(device, dtype)
