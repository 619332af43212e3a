"""Many inputs for each reader, in as many processes as are wanted; what ends one is counted."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.worker import GOOD

ROOT = Path(__file__).parents[2]
_INPUTS_EACH = 250  # that a process reads before another takes over


@dataclass(frozen=True)
class Outcome:
    """How reading one input ended; ``why`` is the error's words where there are some."""

    reader: str
    seed: int
    number: int
    kind: str
    why: str

    @property
    def is_good(self) -> bool:
        """Whether it is one of the two that are allowed."""
        return self.kind in GOOD

    def __str__(self) -> str:
        return f"{self.reader} --seed {self.seed} --only {self.number}: {self.kind}: {self.why}"


@dataclass
class Campaign:
    """What is read: so many inputs of each reader; failing inputs are kept in ``keep``."""

    readers: Sequence[str]
    num_examples: int
    seed: int
    first: int = 0
    num_jobs: int = 1
    keep: Path | None = None
    outcomes: list[Outcome] = field(default_factory=list)

    def run(self) -> Iterator[Outcome]:
        """Every outcome, as it comes."""
        numbers = range(self.first, self.first + self.num_examples)
        inputs = [(reader, number) for reader in self.readers for number in numbers]
        rows = [inputs[n : n + _INPUTS_EACH] for n in range(0, len(inputs), _INPUTS_EACH)]
        with ThreadPoolExecutor(self.num_jobs) as pool:
            for outcomes in pool.map(self._read, rows):
                self.outcomes += outcomes
                yield from outcomes

    def counts(self) -> dict[str, Counter[str]]:
        """How often each kind of outcome came, by reader."""
        counts = {reader: Counter() for reader in self.readers}
        for outcome in self.outcomes:
            counts[outcome.reader][outcome.kind] += 1
        return counts

    def _read(self, inputs: Sequence[tuple[str, int]]) -> list[Outcome]:
        """The outcomes of these inputs; a process that one of them ends has a successor."""
        outcomes: list[Outcome] = []
        with tempfile.TemporaryDirectory(prefix="glance3d-fuzz-") as scratch:
            while len(outcomes) < len(inputs):
                rest = inputs[len(outcomes) :]
                ends = _read_in_process(self.seed, Path(scratch), rest)
                outcomes += [
                    Outcome(name, self.seed, number, kind, why)
                    for (name, number), (kind, why) in zip(rest, ends, strict=False)
                ]
            for outcome in outcomes:
                self._keep(outcome, Path(scratch))
        return outcomes

    def _keep(self, outcome: Outcome, scratch: Path) -> None:
        if self.keep is not None and not outcome.is_good:
            target = self.keep / outcome.reader / f"{outcome.seed}-{outcome.number}"
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(scratch / outcome.reader / str(outcome.number), target)


def _read_in_process(
    seed: int, scratch: Path, inputs: Sequence[tuple[str, int]]
) -> list[tuple[str, str]]:
    """How the first of these inputs end: all of them, or those up to one that ended the process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fuzz.worker", str(seed), str(scratch)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    output, errors = process.communicate("".join(f"{name} {n}\n" for name, n in inputs))
    records = [json.loads(line) for line in output.splitlines()]
    ends = [(record["kind"], record["why"]) for record in records if "kind" in record]
    if records and "started" in records[-1]:
        ends.append(("died", _reason(process.returncode)))
    elif len(ends) < len(inputs):
        raise RuntimeError(f"the process that reads {inputs[len(ends)]} failed: {errors[-2000:]}")
    return ends


def _reason(code: int) -> str:
    if code >= 0:
        return f"the process ended with {code}"
    name = signal.Signals(-code).name
    return "too much processor time" if name == "SIGXCPU" else f"the process ended by {name}"
