"""A trainer's batches: sampled between steps, or ahead by worker processes.

In both cases batch number ``i`` is a pure function of ``i``, and batches come in order. A resumed
run therefore sees the same batches as an uninterrupted one, with any number of workers.
"""

import dataclasses
import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from types import TracebackType

import torch
from torch import multiprocessing

from glance3d.datasets import MultiViewSample
from glance3d.errors import Glance3DError
from glance3d.training.run.interrupts import STOP_SIGNALS

SampleBatch = Callable[[int], MultiViewSample]  # the batch of that number
BuildSampler = Callable[[], SampleBatch]  # called in the process that samples; must be picklable

_BATCHES_AHEAD = 3
_SECONDS_TO_STOP = 10


class InlineStream:
    """Samples each batch when ``next_batch`` is called."""

    def __init__(self, build_sampler: BuildSampler, first_index: int) -> None:
        self._sample_batch = build_sampler()
        self._index = first_index

    def __enter__(self) -> "InlineStream":
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing to stop."""

    def next_batch(self) -> MultiViewSample:
        """Sample the next batch."""
        sample = self._sample_batch(self._index)
        self._index += 1
        return sample


class WorkerStream:
    """Samples ahead, one thread a process: worker w of n takes batches w, w + n, w + 2n ..."""

    def __init__(self, build_sampler: BuildSampler, first_index: int, num_workers: int) -> None:
        self._build_sampler = build_sampler
        self._first_index = first_index
        self._num_workers = num_workers
        self._turn = 0

    def __enter__(self) -> "WorkerStream":
        context = multiprocessing.get_context("spawn")
        self._queues = [context.Queue(_BATCHES_AHEAD) for _ in range(self._num_workers)]
        self._stop = context.Event()
        self._workers = [
            context.Process(
                target=_sample_forever,
                args=(
                    self._build_sampler,
                    self._first_index + number,
                    self._num_workers,
                    batches,
                    self._stop,
                ),
                daemon=True,
            )
            for number, batches in enumerate(self._queues)
        ]
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the workers; batches sampled ahead are dropped, and sampled again on resume."""
        self._stop.set()
        deadline = time.monotonic() + _SECONDS_TO_STOP
        for worker, batches in zip(self._workers, self._queues, strict=True):
            while worker.is_alive() and time.monotonic() < deadline:
                _drop_waiting(batches)  # a worker that waits for space cannot see the stop event
                worker.join(timeout=0.05)
            worker.kill()  # it ignores SIGTERM
            worker.join()

    def next_batch(self) -> MultiViewSample:
        """Wait for the next batch."""
        number = self._turn % self._num_workers
        self._turn += 1
        while True:
            try:
                result = self._queues[number].get(timeout=5)
            except queue.Empty:
                if not self._workers[number].is_alive():
                    raise Glance3DError(
                        f"the data worker {number} ended (exit code "
                        f"{self._workers[number].exitcode}): resume, perhaps with fewer workers"
                    ) from None
                continue
            if isinstance(result, str):
                raise Glance3DError(f"the data worker {number} failed: {result}")
            return MultiViewSample(**result)


def _sample_forever(
    build_sampler: BuildSampler,
    first_index: int,
    stride: int,
    batches: Queue,
    stop: Event,
) -> None:
    """A worker's main function. It ignores the stop signals, which the trainer handles."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_trainer, daemon=True).start()
    torch.set_num_threads(1)
    torch.multiprocessing.set_sharing_strategy("file_system")
    try:
        sample_batch, index = build_sampler(), first_index
        while not stop.is_set():
            batches.put(_fields(sample_batch(index)))
            index += stride
    except Exception as error:
        batches.put(f"{type(error).__name__}: {error}")


def _end_with_the_trainer() -> None:
    """End this worker when the trainer dies: a killed trainer cannot stop its workers itself."""
    trainer = multiprocessing.parent_process()
    if trainer is not None:
        trainer.join()
        os._exit(1)


def _drop_waiting(batches: Queue) -> None:
    with suppress(queue.Empty):
        while True:
            batches.get_nowait()


def _fields(sample: MultiViewSample) -> dict[str, object]:
    return {field.name: getattr(sample, field.name) for field in dataclasses.fields(sample)}


BatchStream = InlineStream | WorkerStream


def build_stream(build_sampler: BuildSampler, first_index: int, num_workers: int) -> BatchStream:
    """The stream for a number of workers; 0 samples inline."""
    if num_workers == 0:
        return InlineStream(build_sampler, first_index)
    return WorkerStream(build_sampler, first_index, num_workers)
