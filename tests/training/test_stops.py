"""Signals during training: a checkpoint is saved, and no worker keeps running."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from glance3d.training import Trainer, load_checkpoint
from glance3d.training.run.interrupts import STOP_SIGNALS
from tests.training.scenes import make_sample
from tests.training.test_trainer import make_trainer

WORKERS = """
import sys, time
from glance3d.training.data.stream import build_stream
from tests.training.test_stops import build_sampler
if __name__ == "__main__":
    with build_stream(build_sampler, 0, 2) as stream:
        stream.next_batch()
        print(*[worker.pid for worker in stream._workers], flush=True)
        time.sleep(100)
"""


def build_sampler() -> Callable[[int], object]:
    return lambda index: make_sample(seed=index)


def _trainer(folder: Path, interrupted_by: tuple[int, ...]) -> Trainer:
    """A run whose second batch comes with these signals."""

    def build() -> Callable[[int], object]:
        def sample_batch(index: int) -> object:
            for number in interrupted_by if index == 1 else ():
                os.kill(os.getpid(), number)
                time.sleep(0.3)
            return make_sample(seed=index)

        return sample_batch

    return make_trainer(folder, build_sampler=build)


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_finishes_the_step_and_saves(number: int, tmp_path: Path) -> None:
    before = signal.signal(number, signal.SIG_DFL)
    try:
        trainer = _trainer(tmp_path, (number,))
        trainer.run()
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert trainer.stopped_by == number
    assert load_checkpoint(tmp_path / "checkpoint.pt").progress.step == trainer.progress.step == 2


@pytest.mark.usefixtures("interruptible")
def test_a_second_one_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path, (signal.SIGINT, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
    assert not (tmp_path / "checkpoint.pt").exists()


@pytest.mark.long
def test_workers_end_with_a_trainer_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(WORKERS)
    process = subprocess.Popen(
        [sys.executable, "run.py"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path.cwd())])},
    )
    assert process.stdout is not None
    workers = [int(word) for word in process.stdout.readline().split()]
    assert len(workers) == 2
    process.kill()
    process.wait()
    for _ in range(600):  # a busy machine takes its time
        if not any(_lives(pid) for pid in workers):
            return
        time.sleep(0.1)
    raise AssertionError("a worker is still there")


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
