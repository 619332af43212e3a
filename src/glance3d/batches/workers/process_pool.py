"""One process beside this one that makes scenes, started anew when it ends."""

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from glance3d.batches.workers import child
from glance3d.batches.workers.maker import remove_left_overs
from glance3d.batches.workers.messages import hand_on, send
from glance3d.batches.workers.tasks import Outcome, SceneTask
from glance3d.errors import BatchError
from glance3d.models import ModelSource

# Less than a command has to end after a signal.
_SECONDS_TO_END = 5.0


class ProcessPool:
    """One worker: a process of its own, so that its end by a crash or for memory is not ours."""

    def __init__(self, source: ModelSource) -> None:
        self._source = source
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._task: SceneTask | None = None
        self._since = 0.0

    @property
    def num_free(self) -> int:
        """One or none."""
        return int(self._task is None)

    @property
    def process_id(self) -> int | None:
        """Of the process that works now."""
        return None if self._process is None else self._process.pid

    def open(self) -> None:
        """Start the process and wait until the network is loaded."""
        if self._process is not None:
            return
        answer = self._ask_to_load()
        if answer is None:
            return
        if not isinstance(answer, str):
            answer = f"the network could not be loaded: {self._describe_end()}"
        self.close()
        raise BatchError(answer)

    def _ask_to_load(self) -> Any:
        """Start the process, and its answer once it has tried to load the network."""
        self._process = start_process(child.__name__)
        self._answers = queue.SimpleQueue()
        reading = (self._process.stdout, self._answers)
        threading.Thread(target=_read_answers, args=reading, daemon=True).start()
        self._send(self._source)
        return _unpickled(self._answers.get())

    def start(self, task: SceneTask) -> None:
        """Send it; whether it arrives, its outcome tells."""
        self.open()
        self._task, self._since = task, time.monotonic()
        self._send(task)

    def wait(self, seconds: float) -> list[Outcome]:
        """The outcome of the one task."""
        task = self._task
        if task is None:
            time.sleep(seconds)
            return []
        try:
            answer = _unpickled(self._answers.get(timeout=seconds))
        except queue.Empty:
            return []
        if not isinstance(answer, Outcome):
            reason = self._describe_end()
            answer = Outcome(
                task.scene.name, "failed", time.monotonic() - self._since, reason, {}, True
            )
        if answer.is_worker_gone:
            self.close()
        self._task = None
        return [answer]

    def close(self) -> None:
        """Ask the process to end, make it end, and remove what it has begun."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(OSError):
                process.terminate()
            try:
                process.wait(_SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            with suppress(OSError):
                process.stdin.close()  # pyrefly: ignore
        if self._task is not None:
            remove_left_overs(self._task.out)
            self._task = None

    def _send(self, value: Any) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        with suppress(OSError):  # it has ended, and its outcome will say so
            send(value, process.stdin)  # pyrefly: ignore

    def _describe_end(self) -> str:
        """How the process ended."""
        process = self._process
        assert process is not None
        try:
            code = process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            return "its process gave no answer that can be read"
        return describe_exit(code)


def start_process(module: str, *words: str) -> subprocess.Popen[bytes]:
    """Start a module of ours beside this process; messages go by its standard input and output."""
    package = str(Path(__file__).parents[3])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-m", module, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        start_new_session=True,  # Ctrl-C is for this process alone
    )


def describe_exit(code: int) -> str:
    """An exit code in words; of a signal that the system sends when memory runs out, that too."""
    if code >= 0:
        return f"its process ended (exit code {code})"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = "; memory may have run out" if name == "SIGKILL" else ""
    return f"its process was ended by {name}{hint}"


def _read_answers(source: Any, answers: "queue.SimpleQueue[Any]") -> None:
    """Hand on what comes; ``EOFError`` (the class) when nothing can come any more."""
    with suppress(Exception):
        hand_on(source, answers)
    answers.put(EOFError)
    source.close()


def _unpickled(answer: Any) -> Any:
    """What a worker answered; ``EOFError`` (the class) if that cannot be read."""
    if answer is EOFError:
        return answer
    try:
        return pickle.loads(answer)
    except Exception:
        return EOFError
