"""Jobs that act, and waiting for them."""

import time
from pathlib import Path

from glance3d.models import ModelSource
from glance3d.service.jobs.limits import Limits
from glance3d.service.jobs.records import InputFile, Job, JobSettings
from glance3d.service.jobs.store import INPUTS, JobStore
from glance3d.service.running.runner import Runner
from tests.conftest import PATIENCE
from tests.service import acting_worker

SETTINGS = JobSettings(model="glance-small")


def opened_store(root: Path, limits: Limits | None = None) -> JobStore:
    store = JobStore(root, limits)
    store.open()
    return store


def add_job(store: JobStore, *names: str, settings: JobSettings = SETTINGS) -> Job:
    """A job that waits, its inputs some bytes under these names."""
    job = store.create(settings, "a job")
    for name in names:
        (store.folder(job.id) / INPUTS / name).write_bytes(b"some bytes")
    store.change(job.id, files=tuple(InputFile(name, 10) for name in names))
    return store.queue_up(job.id)


def acting_runner(store: JobStore, **options: int) -> Runner:
    runner = Runner(
        store, {"glance-small": ModelSource()}, module=acting_worker.__name__, **options
    )
    runner.start()
    return runner


def wait_for(store: JobStore, job: Job, *states: str) -> Job:
    """The job once it is in one of these states."""
    deadline = time.monotonic() + PATIENCE
    with store.changed:
        while (now := store.job(job.id)).state not in states:
            assert time.monotonic() < deadline, now
            store.changed.wait(1.0)
    return now


def wait_until_begun(store: JobStore, job: Job) -> None:
    """Until the job's process has told how far it is."""
    deadline = time.monotonic() + PATIENCE
    with store.changed:
        while not store.progress(job.id).total:
            assert time.monotonic() < deadline
            store.changed.wait(1.0)
