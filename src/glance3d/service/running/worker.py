"""The process of one job (``python -m`` this, and its folder): a task in, an outcome out.

Messages come by standard input and go by standard output, as in ``batches.workers``. When the input
ends, so does the process, wherever it is: its server is gone, and will begin the job again.
"""

import faulthandler
import os
import pickle
import queue
import signal
import sys
import threading
from contextlib import suppress
from typing import Any

from glance3d.batches.workers.messages import hand_on, send
from glance3d.progress import Progress


def main() -> None:
    """Make the job that is named, and end."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    faulthandler.enable(all_threads=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server says when to end
    tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(tasks,), daemon=True).start()
    content, lock = tasks.get(), threading.Lock()

    def tell(message: Any) -> None:
        with lock:
            send(message, answers)

    def listen(progress: Progress) -> None:
        with suppress(OSError):
            tell(progress)

    from glance3d.service.running.make import make_job

    tell(make_job(pickle.loads(content), listen))
    sys.stderr.flush()
    os._exit(0)  # nothing of this process is needed any more


def _read(tasks: "queue.SimpleQueue[Any]") -> None:
    with suppress(OSError):
        hand_on(sys.stdin.buffer, tasks)  # pyrefly: ignore
    os._exit(1)


if __name__ == "__main__":
    main()
