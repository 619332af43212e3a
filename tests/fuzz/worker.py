"""Reads inputs one after the other, each with little memory and little processor time.

Run as ``python -m tests.fuzz.worker SEED FOLDER``, with lines of ``READER NUMBER`` to read from. It
writes a JSON line before each input and one with its outcome after it, so that whoever reads them
knows which input ended the process. Inputs that end badly stay in the folder. Time is the
processor's, which does not depend on how busy the machine is; memory is what an input takes beyond
what the process had, and what it is refused.
"""

import json
import os
import resource
import shutil
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TextIO

GOOD = ("result", "refused")
MAX_CPU_SECONDS = 20
MAX_RESIDENT_BYTES = 2**30
MAX_ADDRESS_BYTES = 3 * 2**30
_NO_MEMORY = ("not enough memory", "can't allocate memory", "bad_alloc", "Cannot allocate memory")


def write_input(name: str, seed: int, number: int, folder: Path) -> None:
    """Write the input of this name, seed and number into an empty folder."""
    from tests.fuzz.mutations import mutate
    from tests.fuzz.seeds import Seed

    seeds: list[Seed] = _seeds(name)
    random = Random(f"{name}/{seed}/{number}")
    chosen = random.choice(seeds)
    target = random.choice(chosen.chosen)
    others = [other.files[path] for other in seeds for path in other.chosen]
    for path, content in chosen.files.items():
        if path == target:
            content = mutate(path, content, others, random)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


_SEEDS: dict[str, list] = {}


def _seeds(name: str) -> list:
    from tests.fuzz.readers import READERS

    if name not in _SEEDS:
        _SEEDS[name] = list(READERS[name].seeds())
    return _SEEDS[name]


def outcome_of(name: str, folder: Path) -> tuple[str, str]:
    """How reading a folder ends: "result", "refused", or what it should not be, and why."""
    from glance3d.errors import Glance3DError
    from tests.fuzz.readers import READERS

    before = _resident_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    try:
        with bounded():
            READERS[name].read(folder)
        outcome, why = "result", ""
    except Glance3DError as error:
        outcome, why = "refused", f"{type(error).__name__}: {error}"
        if _lacked_memory(error):
            outcome = "memory"
        elif "\n" in str(error).strip():
            outcome = "several lines"
    except BaseException as error:
        outcome = "memory" if _lacked_memory(error) else "raised"
        why = f"{type(error).__name__}: {str(error)[:300]} at {_place(error)}"
    taken = _resident_bytes("VmHWM") - before
    if taken > MAX_RESIDENT_BYTES:
        return "memory", f"{taken / 2**20:.0f} MiB were taken"
    return outcome, why


@contextmanager
def bounded(cpu_seconds: int = MAX_CPU_SECONDS) -> Iterator[None]:
    """A little processor time, and a little memory, for the block."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = int(used.ru_utime + used.ru_stime) + 1 + cpu_seconds
    space = _resident_bytes("VmSize") + MAX_ADDRESS_BYTES
    limits = {resource.RLIMIT_CPU: cpu, resource.RLIMIT_AS: space}
    old = {kind: resource.getrlimit(kind) for kind in limits}
    try:
        for kind, limit in limits.items():
            resource.setrlimit(kind, (limit, old[kind][1]))
        yield
    finally:
        for kind, limit in old.items():
            resource.setrlimit(kind, limit)


def _resident_bytes(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return (
        next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field)) * 1024
    )


def _lacked_memory(error: BaseException | None) -> bool:
    """Whether memory that it was refused is behind an error."""
    while error is not None:
        if isinstance(error, MemoryError) or any(text in str(error) for text in _NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def _place(error: BaseException) -> str:
    """The last lines of ours that an error went through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "glance3d" in f.filename]
    return " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames[:-4:-1])


def main() -> None:
    """Read what the command line names."""
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what readers and their libraries print is no line of ours
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    seed, folder = int(sys.argv[1]), Path(sys.argv[2])
    for line in sys.stdin:
        name, number = line.split()
        _read_one(name, seed, int(number), folder / name / number, lines)


def _read_one(name: str, seed: int, number: int, folder: Path, lines: TextIO) -> None:
    folder.mkdir(parents=True)
    write_input(name, seed, number, folder)
    print(json.dumps({"started": True}), file=lines, flush=True)
    kind, why = outcome_of(name, folder)
    if kind in GOOD:
        shutil.rmtree(folder)
    print(json.dumps({"kind": kind, "why": why}), file=lines, flush=True)


if __name__ == "__main__":
    main()
