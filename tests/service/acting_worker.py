"""A job's process that only acts, as the names of its inputs say; no network is loaded."""

import os
import queue
import sys
import threading
import time
from pathlib import Path

from glance3d.batches.workers.messages import hand_on, send
from glance3d.progress import Progress
from glance3d.service.running.outcome import JobOutcome


def _end_with_the_server() -> None:
    hand_on(sys.stdin.buffer, queue.SimpleQueue())
    os._exit(1)


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    folder = Path(sys.argv[1])
    names = {path.stem for path in (folder / "inputs").iterdir()}
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    send(Progress("load_images", is_stage=True), answers)
    send(Progress("photos", 1, 2), answers)
    (folder / "result").mkdir()
    (folder / "result" / "scene.html").write_text("half of it")
    if "crash" in names:
        os.abort()
    while "slow" in names and not (folder / "inputs" / "hurry").exists():
        time.sleep(0.02)
    if "refused" in names:
        send(JobOutcome("photos must be sharp, got fog: wait for the sun"), answers)
        return
    (folder / "result" / "scene.html").write_text('<!doctype html>\n<html lang="en">whole</html>')
    (folder / "result" / "points.ply").write_bytes(b"ply" * 1000)
    (folder / "job.log").write_text("one\ntwo\nthree\n")
    send(JobOutcome(result={"photos": 2, "verdicts": {"good": 2}}), answers)


if __name__ == "__main__":
    main()
    os._exit(0)  # the thread holds a lock that the interpreter's end would wait for
