"""All jobs of a server, in one folder that it alone writes to.

``DIR/jobs/ID/`` holds ``job.json``, ``inputs/``, ``result/``, ``thumbnail.jpg`` and ``job.log``;
the IDs are ours (UUIDs). What is known is kept in memory, and every change is on the disk before
anybody hears of it, so that whoever opens the folder again finds all jobs as they were.
"""

import logging
import os
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from glance3d.errors import Glance3DError, InputError
from glance3d.files.atomic import errors_named, remove_whole, save_json
from glance3d.files.json_input import read_json_object
from glance3d.results.lock import folder_lock
from glance3d.service.jobs.limits import Limits
from glance3d.service.jobs.records import InputFile, Job, JobProgress, JobSettings
from glance3d.types.json_record import from_json, to_json

logger = logging.getLogger(__name__)

JOB_FILE, INPUTS, UNPACKED, RESULT = "job.json", "inputs", "unpacked", "result"
THUMBNAIL, LOG = "thumbnail.jpg", "job.log"
_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_RECORD_LIMIT = 4 * 1024**2  # bytes
_GONE = ".gone-"


class UnknownJobError(InputError):
    """There is no such job, or there is none any more."""


class NoRoomError(Glance3DError):
    """The server keeps as much as it may."""


@dataclass
class _Entry:
    job: Job
    progress: JobProgress = field(default_factory=JobProgress)
    num_bytes: int = 0
    version: int = 0
    touched: float = 0.0


class JobStore:
    """The jobs in ``root``; every method may be called from any thread.

    ``clock`` gives seconds since 1970.
    """

    def __init__(
        self, root: Path, limits: Limits | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.root, self.limits = root, limits or Limits()
        self._folder = root / "jobs"
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.RLock()
        self._held = ExitStack()
        self.changed = threading.Condition(self._lock)
        self.version = 0

    def open(self) -> None:
        """Take the folder, and read the jobs that are there.

        What was running is queued again, at its place; an upload without a whole file is removed.

        Raises:
            OutputError: another server holds the folder, or nothing can be written there.
        """
        with errors_named(self.root):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._held.enter_context(folder_lock(self.root))
        for folder in sorted(self._folder.iterdir()):
            if folder.name.startswith(_GONE):
                remove_whole(folder)
            elif _ID.fullmatch(folder.name):
                self._take_up(folder)

    def close(self) -> None:
        """Let others take the folder."""
        self._held.close()

    def create(self, settings: JobSettings, name: str, identity: str | None = None) -> Job:
        """A new job, to be uploaded to; ``identity`` is its UUID if somebody else has given one.

        Raises:
            InputError: that is no UUID, or there is a job of it.
            NoRoomError: too many jobs wait, or they keep too much.
        """
        with self.changed:
            chosen = str(uuid.uuid4()) if identity is None else _canonical(identity)
            if chosen in self._entries:
                raise InputError(f"there is a job {chosen} already: give another identity")
            waiting = sum(not entry.job.is_over for entry in self._entries.values())
            if waiting >= self.limits.queued_jobs:
                raise NoRoomError(f"{waiting} jobs wait here already: try again later")
            self.refuse_more(0)
            number = 1 + max((entry.job.number for entry in self._entries.values()), default=0)
            job = Job(chosen, number, name, settings, created=self._clock())
            with errors_named(self._folder):
                (self._folder / chosen / INPUTS).mkdir(parents=True)
            self._entries[chosen] = _Entry(job)
            return self._keep(job)

    def now(self) -> float:
        """Seconds since 1970, as the times of jobs are."""
        return self._clock()

    def refuse_more(self, num_bytes: int) -> None:
        """Raise NoRoomError where so many bytes more are more than may be kept."""
        used = self.num_bytes + num_bytes
        if used >= self.limits.disk_bytes:
            raise NoRoomError(
                f"this server keeps {used / 1e9:.1f} GB, and may keep "
                f"{self.limits.disk_bytes / 1e9:.1f} GB: remove jobs that are no longer needed"
            )

    @contextmanager
    def reserved(self, identity: str, num_bytes: int) -> Iterator[None]:
        """Count bytes as kept that are about to come; no more when the block fails.

        Raises:
            NoRoomError: they are more than may be kept.
        """
        with self._lock:
            self.refuse_more(num_bytes)
            entry = self._entry(identity)
            entry.num_bytes += num_bytes
        try:
            yield
        except BaseException:
            with self._lock:
                entry.num_bytes -= num_bytes
            raise

    @property
    def num_bytes(self) -> int:
        """What all jobs keep on the disk, as it was last measured."""
        with self._lock:
            return sum(entry.num_bytes for entry in self._entries.values())

    def folder(self, identity: str) -> Path:
        """Where a job's files are.

        Raises:
            UnknownJobError: there is none.
        """
        return self._folder / self._entry(identity).job.id

    def job(self, identity: str) -> Job:
        """A job as it is now.

        Raises:
            UnknownJobError: there is none.
        """
        return self._entry(identity).job

    def jobs(self) -> list[Job]:
        """All jobs, in the order in which they were made."""
        with self._lock:
            return sorted((entry.job for entry in self._entries.values()), key=lambda j: j.number)

    def queue(self) -> list[Job]:
        """Jobs that wait, the next one first."""
        return [job for job in self.jobs() if job.state == "queued"]

    def places(self) -> dict[str, int]:
        """Where in the queue each job is that waits; 1 is the next."""
        return {job.id: place for place, job in enumerate(self.queue(), start=1)}

    def progress(self, identity: str) -> JobProgress:
        """How far a job is."""
        return self._entry(identity).progress

    def changed_since(self, version: int) -> tuple[int, list[str], list[str]]:
        """The version now, the IDs of jobs that have changed since, and the IDs of all."""
        with self._lock:
            changed = [name for name, one in self._entries.items() if one.version > version]
            return self.version, changed, list(self._entries)

    def change(self, identity: str, *, on_disk: bool = True, **changes: Any) -> Job:
        """Change fields of a job, also on the disk, unless that is told to be impossible.

        Raises:
            UnknownJobError: there is none.
            OutputError: the disk refuses.
        """
        with self.changed:
            return self._keep(replace(self._entry(identity).job, **changes), on_disk=on_disk)

    def add_files(self, identity: str, files: Sequence[InputFile]) -> Job:
        """Say that files have been uploaded.

        Raises:
            InputError: the job waits or runs already, or has more than it may have.
        """
        with self.changed:
            job = self.job(identity)
            if job.state != "uploading":
                raise InputError("files can only be added before a job is queued: make another")
            everything = (*job.files, *files)
            limits = self.limits
            if len(everything) > limits.job_files:
                raise InputError(f"a job takes at most {limits.job_files} files: send fewer")
            if sum(one.size for one in everything) > limits.job_bytes:
                raise InputError(f"a job takes at most {limits.job_bytes / 1e9:g} GB: send less")
            return self.change(identity, files=everything)

    def tell(self, identity: str, progress: JobProgress) -> None:
        """Say how far a job is; no more than the memory knows of it."""
        with self.changed:
            entry = self._entries.get(identity)
            if entry is not None and entry.progress != progress:
                entry.progress = progress
                self._mark(entry)

    def measure(self, identity: str) -> int:
        """Look how many bytes a job's files take."""
        size = sum(size for _, size in files_below(self.folder(identity)))
        with self._lock:
            self._entry(identity).num_bytes = size
        return size

    def queue_up(self, identity: str) -> Job:
        """Let a job that was uploaded, or is over, be made (again) at the end of the queue."""
        with self.changed:
            job = self.job(identity)
            if job.state in ("queued", "running"):
                return job
            if not job.files:
                raise InputError("a job must have at least one photo, clip or zip: upload it first")
            folder = self.folder(identity)
            for part in (RESULT, UNPACKED, THUMBNAIL, LOG):
                remove_whole(folder / part)
            number = job.number
            if job.is_over:
                number = 1 + max(entry.job.number for entry in self._entries.values())
            self._entry(identity).progress = JobProgress()
            return self.change(
                identity,
                number=number,
                state="queued",
                began=None,
                ended=None,
                attempts=0,
                reason="",
                result={},
            )

    def clear(self, identity: str) -> None:
        """Remove what a process that was ended has begun to write."""
        for part in (RESULT, UNPACKED):
            remove_whole(self.folder(identity) / part)

    def finish(self, identity: str, state: str, reason: str = "", result: Any = None) -> Job:
        """Say what came of a job."""
        return self.change(
            identity, state=state, ended=self._clock(), reason=reason, result=result or {}
        )

    def begin(self, identity: str) -> Job:
        """Say that a job is made now."""
        attempts = self.job(identity).attempts + 1
        return self.change(identity, state="running", began=self._clock(), attempts=attempts)

    def remove(self, identity: str) -> None:
        """Forget a job that is not running, and remove its files."""
        with self.changed:
            folder = self.folder(identity)
            if self.job(identity).state == "running":
                raise InputError("a job that runs cannot be removed: cancel it first")
            gone = folder.with_name(_GONE + folder.name)
            with errors_named(folder):
                folder.rename(gone)
            del self._entries[identity]
            self.version += 1
            self.changed.notify_all()
        remove_whole(gone)

    def remove_expired(self) -> list[str]:
        """Remove what is kept no longer; the IDs."""
        now, limits = self._clock(), self.limits
        with self._lock:
            late = [
                entry.job.id
                for entry in self._entries.values()
                if _is_late(entry.job, entry.touched, now, limits)
            ]
        for identity in late:
            self.remove(identity)
        return late

    def _take_up(self, folder: Path) -> None:
        try:
            record = read_json_object(folder / JOB_FILE, error=InputError, limit=_RECORD_LIMIT)
            job = from_json(Job, record)
            if job.id != folder.name:
                raise InputError(f"{folder.name} holds the job {job.id}")
        except (Glance3DError, ValueError, TypeError) as error:
            logger.warning("warning: the job in %s is passed over: %s", folder, error)
            return
        self._entries[job.id] = _Entry(job, touched=self._clock())
        self.measure(job.id)
        if job.state == "running":
            self.change(job.id, state="queued")
        elif job.state == "uploading" and not job.files:
            self.remove(job.id)

    def _entry(self, identity: str) -> _Entry:
        with self._lock:
            entry = self._entries.get(identity)
        if entry is None:
            raise UnknownJobError("there is no such job here (any more)")
        return entry

    def _keep(self, job: Job, *, on_disk: bool = True) -> Job:
        entry = self._entry(job.id)
        if on_disk:
            save_json(self._folder / job.id / JOB_FILE, to_json(job))
        is_queue_other = "queued" in (entry.job.state, job.state) and entry.job.state != job.state
        entry.job, entry.touched = job, self._clock()
        self._mark(entry)
        if is_queue_other:  # and with it the places of those that wait
            for other in self._entries.values():
                if other.job.state == "queued":
                    other.version = self.version
        return job

    def _mark(self, entry: _Entry) -> None:
        self.version += 1
        entry.version = self.version
        self.changed.notify_all()


def files_below(folder: Path) -> Iterator[tuple[Path, int]]:
    """Every file in a folder and below, and its bytes; no link is followed."""
    for path, _, names in os.walk(folder):
        for name in names:
            file = Path(path) / name
            try:
                yield file, file.lstat().st_size
            except OSError:
                continue


def _is_late(job: Job, touched: float, now: float, limits: Limits) -> bool:
    if job.state == "uploading":
        return now - touched > limits.upload_hours * 3600
    return job.is_over and now - (job.ended or job.created) > limits.keep_days * 86400


def _canonical(identity: str) -> str:
    try:
        return str(uuid.UUID(identity))
    except ValueError:
        raise InputError("the identity of a job must be a UUID") from None
