"""Workers on a Ray cluster: actors that load the network once, replaced when they are lost."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from glance3d.batches.workers.maker import SceneMaker, one_line, remove_left_overs
from glance3d.batches.workers.tasks import Outcome, SceneTask
from glance3d.errors import BatchError, Glance3DError, MissingExtraError
from glance3d.models import ModelSource

logger = logging.getLogger(__name__)
_MOST_FAILED_STARTS = 3
_START_SECONDS = 1.0
_TELL_AFTER_SECONDS = 60.0


class SceneActor:
    """What runs on the cluster: a :class:`SceneMaker` in a process of its own."""

    def __init__(self, source: ModelSource) -> None:
        self._source = source
        self._maker: SceneMaker | None = None

    def load(self) -> str | None:
        """Load the network; a sentence if that cannot be."""
        try:
            self._maker = self._maker or SceneMaker(self._source)
        except Glance3DError as error:
            return str(error)
        return None

    def make(self, task: SceneTask) -> Outcome:
        """Make a scene, once the network is loaded."""
        assert self._maker is not None
        return self._maker.make(task)


@dataclass(frozen=True)
class _Work:
    """What an actor does since when: a task, or none while it loads the network."""

    actor: Any
    since: float
    task: SceneTask | None = None


@dataclass
class RayPool:
    """As many actors as the cluster has GPUs, or machines where it has none."""

    source: ModelSource
    address: str
    num_workers: int | None = None
    _free: list[Any] = field(default_factory=list)
    _work: dict[Any, _Work] = field(default_factory=dict)
    _resources: Mapping[str, float] = field(default_factory=dict)
    _num_failed_starts: int = 0
    _has_begun_ray: bool = False

    @property
    def num_free(self) -> int:
        """Actors whose network is loaded, and that have nothing to do."""
        return len(self._free)

    @property
    def is_open(self) -> bool:
        """Whether there are actors."""
        return bool(self._free or self._work)

    def open(self) -> None:
        """Join the cluster, start the actors and wait for the first one."""
        if not self.is_open:
            ray = _ray()
            self._join()
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            number, self._resources = share(nodes, self.num_workers)
            logger.info("%d workers on %d machines of the cluster", number, len(nodes))
            for _ in range(number):
                self._start_actor()
        begin, is_told = time.monotonic(), False
        while not self._free:
            self._collect(_START_SECONDS)
            if not is_told and time.monotonic() - begin > _TELL_AFTER_SECONDS:
                logger.info("waiting for the cluster to have room for a worker")
                is_told = True

    def start(self, task: SceneTask) -> None:
        """Give it to a free actor."""
        actor = self._free.pop()
        self._work[actor.make.remote(task)] = _Work(actor, time.monotonic(), task)

    def wait(self, seconds: float) -> list[Outcome]:
        """The outcomes that have come."""
        if not self._work:
            time.sleep(seconds)
            return []
        return self._collect(seconds)

    def close(self) -> None:
        """End the actors, and leave the cluster if it was joined here."""
        if not self.is_open and not self._has_begun_ray:
            return
        ray = _ray()
        for actor in [*self._free, *(work.actor for work in self._work.values())]:
            ray.kill(actor)
        tasks = [work.task for work in self._work.values() if work.task is not None]
        self._free, self._work = [], {}
        for task in tasks:
            remove_left_overs(task.out)
        if self._has_begun_ray:
            ray.shutdown()
            self._has_begun_ray = False

    def _join(self) -> None:
        ray = _ray()
        if ray.is_initialized():
            return
        of_local: dict[str, Any] = {}
        if self.address == "local":
            of_local = {"include_dashboard": False}
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
        try:
            ray.init(address=self.address, log_to_driver=False, **of_local)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise BatchError(
                f"there is no Ray cluster at {self.address!r} ({one_line(error)}): start one with "
                "'ray start --head', or give --ray local"
            ) from error
        self._has_begun_ray = True

    def _start_actor(self) -> None:
        kind = _ray().remote(**self._resources)(SceneActor)
        actor = kind.remote(self.source)
        self._work[actor.load.remote()] = _Work(actor, time.monotonic())

    def _collect(self, seconds: float) -> list[Outcome]:
        """Look at all that has come to an end; waits for one."""
        ray = _ray()
        done, _ = ray.wait(list(self._work), num_returns=1, timeout=seconds)
        if done:
            done, _ = ray.wait(list(self._work), num_returns=len(self._work), timeout=0)
        outcomes = []
        for reference in done:
            work = self._work[reference]
            outcome = self._loaded(reference) if work.task is None else self._made(reference)
            del self._work[reference]
            if outcome is None:
                self._free.append(work.actor)
                continue
            if work.task is not None:
                outcomes.append(outcome)
            if outcome.is_worker_gone:
                ray.kill(work.actor)
                self._start_actor()
            else:
                self._free.append(work.actor)
        return outcomes

    def _loaded(self, reference: Any) -> Outcome | None:
        """None if the network is loaded; an actor that was lost before gets a successor.

        Raises:
            BatchError: the network cannot be loaded.
        """
        ray = _ray()
        try:
            sentence = ray.get(reference)
        except ray.exceptions.RayError as error:
            self._num_failed_starts += 1
            if self._num_failed_starts >= _MOST_FAILED_STARTS:
                raise BatchError(f"the network cannot be loaded: {one_line(error)}") from error
            return Outcome("", "failed", 0.0, is_worker_gone=True)
        if sentence is not None:
            raise BatchError(sentence)
        self._num_failed_starts = 0
        return None

    def _made(self, reference: Any) -> Outcome:
        ray = _ray()
        work = self._work[reference]
        assert work.task is not None
        try:
            return ray.get(reference)
        except ray.exceptions.RayError as error:
            remove_left_overs(work.task.out)
            reason = f"its worker on the cluster was lost: {one_line(error)}"
            seconds = time.monotonic() - work.since
            return Outcome(work.task.scene.name, "failed", seconds, reason, is_worker_gone=True)


def share(
    nodes: Sequence[Mapping[str, float]], num_workers: int | None
) -> tuple[int, dict[str, float]]:
    """How many workers a cluster of these machines gets, and what each of them takes.

    Without a number, one a GPU, or one a machine where there is no GPU. Workers on a processor
    share a machine's cores evenly.
    """
    num_gpus = sum(int(node.get("GPU", 0)) for node in nodes)
    number = num_workers or num_gpus or max(len(nodes), 1)
    cores = min((int(node.get("CPU", 0)) for node in nodes if node.get("CPU")), default=1)
    a_machine = -(-number // max(len(nodes), 1))
    resources: dict[str, float] = {"num_cpus": float(max(1, cores // a_machine))}
    if num_gpus:
        resources["num_gpus"] = 1.0 if number <= num_gpus else num_gpus / number
    return number, resources


def _ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise MissingExtraError("a Ray cluster", "ray", "cluster") from error
    return ray
