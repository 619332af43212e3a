"""A worker's loop: claim a scene, let it be made, record what came of it, until nothing is left."""

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from glance3d.batches.ledger.event_folder import Ledger
from glance3d.batches.ledger.owners import Owner, Watch
from glance3d.batches.scenes import BatchScene, folder_of
from glance3d.batches.workers.pool import Pool
from glance3d.batches.workers.tasks import Outcome, SceneTask
from glance3d.text import names_and_count

logger = logging.getLogger(__name__)

#: Seconds between looks at what others do, where nothing can be claimed.
POLL_SECONDS = 2.0


@dataclass(frozen=True)
class _Claim:
    task: SceneTask
    number: int


class BatchRun:
    """One worker's share of a batch; ``on_outcome`` is told of each scene that it has made.

    With ``is_shared`` workers begin at different places of the list, so that they do not all try
    for the same scene.
    """

    def __init__(
        self,
        scenes: Sequence[BatchScene],
        out: Path,
        ledger: Ledger,
        owner: Owner,
        watch: Watch,
        pool: Pool,
        *,
        overwrite: bool = False,
        is_shared: bool = False,
        on_outcome: Callable[[Outcome], None] = lambda outcome: None,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._scenes, self._out, self._ledger = list(scenes), out, ledger
        self._owner, self._watch, self._pool = owner, watch, pool
        self._overwrite, self._on_outcome, self._poll = overwrite, on_outcome, poll_seconds
        self._claims: dict[str, _Claim] = {}
        self._waits_for: list[str] = []
        if is_shared and scenes:
            first = random.Random(owner.id).randrange(len(self._scenes))
            self._scenes = self._scenes[first:] + self._scenes[:first]

    def run(self) -> None:
        """Work until every scene is done or set aside, by this worker or by another.

        Whatever ends it, claims that are held are given back.

        Raises:
            BatchError: the network cannot be loaded.
            OutputError: the ledger cannot be written.
        """
        try:
            while not self._is_over():
                if self._pool.num_free or not self._claims:
                    self._ledger.refresh()
                    self._mark_lost()
                    self._fill_pool()
                    self._tell_waiting()
                for outcome in self._pool.wait(self._poll):
                    self._record(outcome)
        finally:
            self._pool.close()
            for name in list(self._claims):
                self._append(name, "released")

    def _is_over(self) -> bool:
        return not self._claims and all(
            self._ledger.state(scene.name).is_final for scene in self._scenes
        )

    def _fill_pool(self) -> None:
        """Claim scenes while workers are free: those that failed least come first."""
        free = [scene for scene in self._scenes if self._ledger.state(scene.name).is_free]
        if free and not self._claims:
            self._pool.open()
        for scene in sorted(free, key=lambda one: len(self._ledger.state(one.name).attempts)):
            if self._pool.num_free == 0:
                return
            claim = self._claim(scene)
            if claim is not None:
                self._pool.start(claim.task)

    def _claim(self, scene: BatchScene) -> _Claim | None:
        """Be the one who makes the scene, or nothing if somebody else is."""
        number = self._ledger.state(scene.name).number + 1
        if not self._ledger.append(scene.name, number, "claimed", self._owner):
            return None
        log = self._ledger.logs / f"{scene.name}.log"
        out = folder_of(self._out, scene.name)
        task = SceneTask(scene, out, self._ledger.events, number, log, self._overwrite)
        self._claims[scene.name] = _Claim(task, number)
        return self._claims[scene.name]

    def _record(self, outcome: Outcome) -> None:
        kind = outcome.kind
        if kind != "lost" and self._append(outcome.name, kind, outcome):
            self._on_outcome(outcome)
            return
        self._claims.pop(outcome.name, None)
        logger.warning(
            "warning: another worker has taken over %s, since this one showed no sign of life",
            outcome.name,
        )

    def _append(self, name: str, kind: str, outcome: Outcome | None = None) -> bool:
        claim = self._claims.pop(name)
        seconds, reason, result = 0.0, "", {}
        if outcome is not None:
            seconds, reason, result = outcome.seconds, outcome.reason, dict(outcome.result)
        return self._ledger.append(
            name,
            claim.number + 1,
            kind,  # pyrefly: ignore
            self._owner,
            seconds=seconds,
            reason=reason,
            result=result,
        )

    def _mark_lost(self) -> None:
        """Say of workers that show no sign of life any more that they are lost: one says it."""
        for scene in self._scenes:
            state = self._ledger.state(scene.name)
            if state.name != "running" or scene.name in self._claims or state.last is None:
                continue
            owner = state.last.owner
            if self._watch.is_lost(owner):
                reason = f"its worker, {owner}, was lost"
                if self._ledger.append(scene.name, state.number + 1, "lost", owner, reason=reason):
                    self._watch.bury(owner)

    def _tell_waiting(self) -> None:
        """Say once for whom this worker waits, when it has nothing else to do."""
        if self._claims:
            return
        running = [
            f"{scene.name} ({state.last.owner})"
            for scene in self._scenes
            if (state := self._ledger.state(scene.name)).name == "running" and state.last
        ]
        if running and running != self._waits_for:
            logger.info("waiting for %s", names_and_count(running, 3))
        self._waits_for = running
