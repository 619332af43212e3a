"""A process that makes scenes, tasks in, outcomes out (``python -m`` this module).

Messages come by standard input, the :class:`~glance3d.models.ModelSource` first, and go by standard
output; what else is printed goes to stderr. When the input ends the process does, with its parent.
"""

import faulthandler
import io
import os
import pickle
import queue
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from types import FrameType
from typing import Any

from glance3d.batches.workers.messages import hand_on, send
from glance3d.errors import Glance3DError

_PATIENCE_SECONDS = 10.0


class _Ended(BaseException):
    """The parent is gone, or wants this process to end."""

    code = 128 + signal.SIGTERM


def _end(number: int, frame: FrameType | None) -> None:
    raise _Ended


def _read_tasks(source: io.BufferedIOBase, tasks: "queue.SimpleQueue[Any]") -> None:
    """Hand on what comes; when nothing can come any more, end what the main thread does."""
    with suppress(OSError):
        hand_on(source, tasks)
    tasks.put(None)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_PATIENCE_SECONDS)
    os._exit(1)


def main() -> None:
    """Load the network that is named first, then make scenes until nothing more comes."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    faulthandler.enable(all_threads=False)
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to end
    tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
    reader = threading.Thread(target=_read_tasks, args=(sys.stdin.buffer, tasks), daemon=True)
    reader.start()
    code = 0
    try:
        work(tasks, answers)
    except _Ended as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    os._exit(code)  # the reader may hold a lock that the interpreter's end would wait for


def work(tasks: "queue.SimpleQueue[Any]", answers: io.BufferedIOBase) -> None:
    """Answer None once the network is loaded, or a sentence; then an outcome for each task."""
    from glance3d.batches.workers.maker import SceneMaker

    source = tasks.get()
    if source is None:
        return
    try:
        maker = SceneMaker(pickle.loads(source))
    except Glance3DError as error:
        send(str(error), answers)
        return
    send(None, answers)
    while (task := tasks.get()) is not None:
        send(maker.make(pickle.loads(task)), answers)


if __name__ == "__main__":
    main()
