"""Seconds and bytes: what a stage took."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from glance3d.progress import tell_stage


class StageTimes:
    """Seconds that each named stage took, in order."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block under this name."""
        tell_stage(name)
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(time.perf_counter() - start, 4)


def total(seconds: Mapping[str, float]) -> float:
    """The stages' sum."""
    return round(sum(seconds.values()), 4)


def peak_process_memory() -> int | None:
    """Bytes of memory that this process held at its worst; None where the system does not say.

    What ``getrusage`` says begins, on Linux, with what the process that started this one held.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        held = [line.split()[1] for line in lines if line.startswith("VmHWM:")]  # in kB
        if held:
            return int(held[0]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
