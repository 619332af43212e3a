"""Takes jobs from the queue and has each made by a process of its own."""

import logging
import pickle
import queue
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from glance3d.batches.workers.messages import hand_on, send
from glance3d.batches.workers.process_pool import describe_exit, start_process
from glance3d.errors import Glance3DError
from glance3d.models import ModelSource
from glance3d.progress import Progress
from glance3d.service.jobs.records import MOST_ATTEMPTS, Job
from glance3d.service.jobs.store import JobStore, UnknownJobError
from glance3d.service.running import worker
from glance3d.service.running.outcome import JobOutcome
from glance3d.service.running.stages import StageProgress
from glance3d.service.running.task import JobTask

logger = logging.getLogger(__name__)

_SECONDS_TO_END = 5.0
#: Seconds between looks at what is kept, and at what running jobs write.
_LOOK_SECONDS = 5.0
_CANCELLED, _CLOSED, _TOO_MUCH = "cancelled", "closed", "too much"


class JobProcess:
    """The process that makes one job. ``end`` may be called from any thread, at any moment."""

    def __init__(self, module: str, task: JobTask) -> None:
        self._process = start_process(module, str(task.folder))
        self.ended_because = ""
        with suppress(OSError):  # it has ended, and its exit code says so
            send(task, self._process.stdin)  # pyrefly: ignore

    @property
    def process_id(self) -> int:
        """Of the process."""
        return self._process.pid

    def messages(self) -> "queue.SimpleQueue[Any]":
        """What it says, as pickles; None when nothing can come any more."""
        received: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def read() -> None:
            with suppress(OSError, ValueError):
                hand_on(self._process.stdout, received)  # pyrefly: ignore
            received.put(None)

        threading.Thread(target=read, name="job messages", daemon=True).start()
        return received

    def end(self, reason: str) -> None:
        """Kill it: what it writes stands in hidden folders until it is whole."""
        self.ended_because = self.ended_because or reason
        with suppress(OSError):
            self._process.kill()

    def wait(self) -> int:
        """Its exit code, once its output has ended."""
        try:
            return self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            for pipe in (self._process.stdin, self._process.stdout):
                with suppress(OSError):
                    pipe.close()  # pyrefly: ignore


class Runner:
    """Makes the jobs of a store, ``num_at_once`` at a time, until it is closed.

    ``sources`` are the networks by the names that clients use; ``module`` is what the process of
    a job runs.
    """

    def __init__(
        self,
        store: JobStore,
        sources: Mapping[str, ModelSource],
        *,
        num_at_once: int = 1,
        module: str = worker.__name__,
    ) -> None:
        self._store, self._sources, self._module = store, dict(sources), module
        self._num_at_once = num_at_once
        self._processes: dict[str, JobProcess] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._closing = threading.Event()
        self._dispatcher = threading.Thread(target=self._dispatch, name="jobs", daemon=True)
        self._looker = threading.Thread(target=self._look, name="disk", daemon=True)

    def start(self) -> None:
        """Begin with the first job that waits."""
        self._dispatcher.start()
        self._looker.start()

    def close(self) -> None:
        """End all processes; their jobs are begun again by the next server."""
        with self._store.changed:
            self._closing.set()
            self._store.changed.notify_all()
            running = list(self._processes.values())
            threads = list(self._threads.values())
        for process in running:
            process.end(_CLOSED)
        for thread in (self._dispatcher, self._looker, *threads):
            thread.join()

    def cancel(self, identity: str) -> Job:
        """End a job, wherever it is; one that is over stays as it is.

        Raises:
            UnknownJobError: there is none.
        """
        with self._store.changed:
            job = self._store.job(identity)
            process = self._processes.get(identity)
            if process is not None:
                process.end(_CANCELLED)
            elif job.state in ("queued", "uploading"):
                return self._store.finish(identity, "cancelled")
            thread = self._threads.get(identity)
        if thread is not None:
            thread.join()
        return self._store.job(identity)

    def process_id(self, identity: str) -> int | None:
        """Of the process that makes a job now."""
        process = self._processes.get(identity)
        return None if process is None else process.process_id

    def _dispatch(self) -> None:
        changed = self._store.changed
        while True:
            with changed:
                if self._closing.is_set():
                    return
                waiting = self._store.queue()
                if not waiting or len(self._threads) >= self._num_at_once:
                    changed.wait(_LOOK_SECONDS)
                    continue
                identity = waiting[0].id
                try:
                    self._begin(identity)
                except (Glance3DError, OSError) as error:
                    logger.warning("warning: the job %s cannot be begun: %s", identity, error)
                    changed.wait(_LOOK_SECONDS)

    def _begin(self, identity: str) -> None:
        job = self._store.job(identity)
        if job.attempts >= MOST_ATTEMPTS:
            reason = f"the server ended {job.attempts} times while it made this: try fewer photos"
            self._store.finish(identity, "failed", reason)
            return
        source = self._sources.get(job.settings.model)
        if source is None:
            reason = f"this server has no model {job.settings.model!r} any more: choose another"
            self._store.finish(identity, "failed", reason)
            return
        job = self._store.begin(identity)
        folder = self._store.folder(identity)
        task = JobTask(folder.absolute(), job.name, job.settings, source, self._store.limits)
        process = JobProcess(self._module, task)
        thread = threading.Thread(target=self._follow, args=(job, process), daemon=True)
        self._processes[identity], self._threads[identity] = process, thread
        thread.start()

    def _follow(self, job: Job, process: JobProcess) -> None:
        """Pass on what a process tells until it ends, and say what came of the job."""
        outcome, stages = None, StageProgress(bool(job.settings.refine))
        messages = process.messages()
        while (content := messages.get()) is not None:
            try:
                message = pickle.loads(content)
            except Exception as error:  # a process that dies may send half a pickle
                logger.warning("warning: the job %s said what cannot be read: %s", job.id, error)
                continue
            if isinstance(message, Progress):
                self._store.tell(job.id, stages.after(message))
            elif isinstance(message, JobOutcome):
                outcome = message
        code = process.wait()
        with self._store.changed:
            del self._processes[job.id]
        try:
            self._finish(job.id, process.ended_because, outcome, code)
        except Glance3DError as error:
            logger.warning("warning: the end of the job %s is not kept: %s", job.id, error)
            with suppress(UnknownJobError):
                reason = f"what came of it could not be kept: {error}"
                self._store.change(job.id, on_disk=False, state="failed", reason=reason)
        finally:
            with self._store.changed:
                del self._threads[job.id]
                self._store.changed.notify_all()

    def _finish(self, identity: str, because: str, outcome: JobOutcome | None, code: int) -> None:
        store = self._store
        if outcome is not None and outcome.is_done and not because:
            store.measure(identity)
            store.finish(identity, "done", result=dict(outcome.result))
            return
        store.clear(identity)
        store.measure(identity)
        if because == _CANCELLED:
            store.finish(identity, "cancelled")
        elif because == _TOO_MUCH:
            store.finish(identity, "failed", "it filled the disk that this server may use")
        elif because == _CLOSED:
            attempts = store.job(identity).attempts - 1  # this one is not its fault
            store.change(identity, state="queued", began=None, attempts=attempts)
        else:
            reason = describe_exit(code) if outcome is None else outcome.reason
            store.finish(identity, "failed", reason)

    def _look(self) -> None:
        """Remove what has expired, and end what writes more than the server may keep."""
        while not self._closing.wait(_LOOK_SECONDS):
            with suppress(Glance3DError, OSError):
                for identity in self._store.remove_expired():
                    logger.info("removed the job %s, which has expired", identity)
            with self._store.changed:
                running = dict(self._processes)
            for identity, process in running.items():
                with suppress(UnknownJobError):
                    self._store.measure(identity)
                if self._store.num_bytes > self._store.limits.disk_bytes:
                    process.end(_TOO_MUCH)
