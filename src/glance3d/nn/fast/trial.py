"""Paths to the same result, run in turn on one example: which are right, and which is fastest."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from glance3d.nn.fast.operations import PLAIN

_LOG = logging.getLogger("glance3d")
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
class Choice:
    """The path that runs, and why: ``speedups`` over the plain steps, ``reasons`` against others.

    Paths that raised, or whose numbers are wrong, have a reason and no speed-up.
    """

    path: str
    speedups: Mapping[str, float] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)


def clock_for(device: torch.device) -> Clock:
    """Of this thread alone where it does all the work: other programs then do not count."""
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    if alone and time.get_clock_info("thread_time").resolution <= FINE_CLOCK:
        return time.thread_time
    return time.perf_counter


def try_paths(
    ways: Trial, margin: float, tolerance: float, clock: Clock, device: torch.device
) -> Choice:
    """Run all ways once for their results, then those that are right in turn for their speed."""
    right, reasons = right_ones(ways, tolerance)
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


def right_ones(ways: Trial, tolerance: float) -> tuple[list[str], dict[str, str]]:
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


def example(*shape: int, device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """Numbers to try paths on, the same each time; the program's random numbers are left alone."""
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator).to(device, dtype)
