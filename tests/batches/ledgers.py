"""Ledgers, clocks and workers for tests: nobody waits, and no real clock is looked at."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from glance3d.batches.ledger.event_folder import Ledger
from glance3d.batches.ledger.owners import Owner, Watch
from glance3d.batches.run import BatchRun
from glance3d.batches.scenes import BatchScene
from glance3d.batches.workers.tasks import Outcome, SceneTask
from glance3d.pipeline import SceneRecipe

LEASE = 100.0


@dataclass
class Clock:
    """Seconds that pass when a test says so."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def owner(name: str) -> Owner:
    """A worker of another machine, so that its process cannot be looked at."""
    return Owner(id=name, host=f"host of {name}", process=7)


def scenes(*names: str) -> list[BatchScene]:
    return [BatchScene(name, (f"photos of {name}",), SceneRecipe()) for name in names]


@dataclass
class FakePool:
    """Makes scenes at once, in this process, as ``make`` says; each ``wait`` takes a second."""

    make: Callable[[SceneTask], Outcome]
    clock: Clock
    made: list[str] = field(default_factory=list)
    task: SceneTask | None = None
    is_closed: bool = False

    @property
    def num_free(self) -> int:
        return int(self.task is None)

    def open(self) -> None: ...

    def start(self, task: SceneTask) -> None:
        self.task = task

    def wait(self, seconds: float) -> list[Outcome]:
        self.clock.now += seconds
        task, self.task = self.task, None
        if task is None:
            return []
        self.made.append(task.scene.name)
        return [self.make(task)]

    def close(self) -> None:
        self.is_closed = True


def done(task: SceneTask) -> Outcome:
    return Outcome(task.scene.name, "done", 2.0, result={"photos": 3})


def failed(task: SceneTask) -> Outcome:
    return Outcome(task.scene.name, "failed", 1.0, "it is dark")


@dataclass
class Worker:
    """One worker on the ledger in ``out``."""

    out: Path
    name: str = "w"
    make: Callable[[SceneTask], Outcome] = done
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.out, lease_seconds=LEASE, clock=self.clock)
        self.ledger.open()
        self.owner = owner(self.name)
        self.watch = Watch(self.ledger.beats, LEASE, self.clock)
        self.pool = FakePool(self.make, self.clock)

    def beat(self, text: str) -> None:
        """A sign of life."""
        (self.ledger.beats / self.owner.id).write_text(text)

    def claim(self, name: str) -> bool:
        number = self.ledger.state(name).number + 1
        return self.ledger.append(name, number, "claimed", self.owner)

    def run(self, listed: list[BatchScene]) -> BatchRun:
        run = BatchRun(
            listed, self.out, self.ledger, self.owner, self.watch, self.pool, poll_seconds=1.0
        )
        run.run()
        return run


def of_this_process(process: int, started: str) -> Owner:
    """An owner on this machine with another process number."""
    return replace(Owner.this(), process=process, started=started)
