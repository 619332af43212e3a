"""Many small jobs through ``glance3d serve``: none is lost, and the server does not grow.

``python -m benchmarks.service_soak [--jobs 200]``: a server in a process of its own, clients that
send photos and zips, cancel, and send what is no photo; half-way the server is killed and started
again. Prints what came of the jobs, and the server's memory and open files over time (Linux).
"""

import argparse
import io
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import numpy as np
from PIL import Image

from glance3d.models import build_model, config
from glance3d.models.weights.files import save_weights

_KINDS = {"photos": 0.7, "zip": 0.12, "cancelled": 0.1, "damaged": 0.08}
_EXPECTED = {"photos": "done", "zip": "done", "cancelled": "cancelled", "damaged": "failed"}
_CLIENTS = 4


@dataclass
class Soak:
    """One server, and what was seen of it."""

    folder: Path
    weights: Path
    at_once: int
    address: str = ""
    process: subprocess.Popen[str] | None = None
    samples: list[tuple[int, int]] = field(default_factory=list)
    up: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Start the server, and wait until it listens."""
        port = self.address.rpartition(":")[2].strip("/") or "0"
        words = [str(self.folder), "--no-open", "--port", port, "--jobs", str(self.at_once)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "glance3d", "serve", *words, "--models", str(self.weights)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().split()[1].rstrip("/")
        self.up.set()

    def kill(self) -> None:
        """As a machine that loses its power."""
        assert self.process is not None
        self.up.clear()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> Any:
        """What the server answers, asked again while it is down; an upload is sent again, too."""
        while True:
            self.up.wait()
            request = Request(self.address + path, body, method=method)
            if kind:
                request.add_header("Content-Type", kind)
            try:
                with urlopen(request) as answer:
                    return json.loads(answer.read() or b"null")
            except HTTPError:
                raise
            except (URLError, ConnectionError, OSError):
                time.sleep(0.5)

    def measure(self) -> tuple[int, int]:
        """Memory (bytes) and open files of the server."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        kilobytes = next(line.split()[1] for line in status.splitlines() if line[:5] == "VmRSS")
        return int(kilobytes) * 1024, sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir())


def main() -> None:
    """Run, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        soak = Soak(root / "service", tiny_weights(root), options.at_once)
        soak.start()
        begin = time.monotonic()
        kinds, was_killed = drawn_kinds(options.jobs), False
        with ThreadPoolExecutor(_CLIENTS) as clients:
            sent = [clients.submit(send_and_follow, soak, kind, i) for i, kind in enumerate(kinds)]
            while not all(one.done() for one in sent):
                done = sum(one.done() for one in sent)
                soak.samples.append(soak.measure())
                if done >= options.jobs // 2 and not was_killed:
                    was_killed = True
                    soak.kill()
                    soak.start()
                time.sleep(1)
        outcomes = Counter((kind, one.result()) for kind, one in zip(kinds, sent, strict=True))
        report(soak, outcomes, time.monotonic() - begin)
        assert soak.process is not None
        soak.process.terminate()
        soak.process.wait()


def report(soak: Soak, outcomes: Counter[tuple[str, str]], seconds: float) -> None:
    """Print the outcomes, and the server over time."""
    for (kind, state), count in sorted(outcomes.items()):
        mark = "" if state == _EXPECTED[kind] else "  <- not expected"
        print(f"{count:4d} {kind}: {state}{mark}")
    listed = soak.ask("GET", "/api/jobs")["jobs"]
    print(f"{len(listed)} jobs are listed; {seconds / 60:.1f} min")
    for share in (0.1, 0.25, 0.5, 0.75, 1.0):
        memory, files = soak.samples[max(0, int(share * len(soak.samples)) - 1)]
        print(f"server at {share:4.0%}: {memory / 1e6:.0f} MB, {files} open files")


def send_and_follow(soak: Soak, kind: str, number: int) -> str:
    """Send one job and wait for its end; the state."""
    body, content_type = form(kind, number)
    job = soak.ask("POST", "/api/jobs", body, content_type)
    path, is_cancelled = f"/api/jobs/{job['id']}", False
    while (job := soak.ask("GET", path))["state"] in ("queued", "running"):
        if kind == "cancelled" and not is_cancelled and job["state"] == "running":
            time.sleep(random.Random(number).random() * 3)
            soak.ask("POST", f"{path}/cancel")
            is_cancelled = True
        time.sleep(0.2)
    return job["state"]


def drawn_kinds(num_jobs: int) -> list[str]:
    """What each job is, the same every time."""
    return random.Random(0).choices(list(_KINDS), list(_KINDS.values()), k=num_jobs)


def form(kind: str, number: int) -> tuple[bytes, str]:
    """A multipart form of two small photos, and its content type."""
    photos = {f"{number}-{side}.png": photo(number, side, kind) for side in range(2)}
    if kind == "zip":
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, content in photos.items():
                archive.writestr(f"folder/{name}", content)
        photos = {"photos.zip": packed.getvalue()}
    settings = json.dumps({"refine": False}).encode()
    parts = [('name="settings"', settings)]
    parts += [(f'name="files"; filename="{name}"', one) for name, one in photos.items()]
    body = b"".join(
        b"--soak\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + one + b"\r\n"
        for head, one in parts
    )
    return body + b"--soak--\r\n", "multipart/form-data; boundary=soak"


def photo(number: int, side: int, kind: str) -> bytes:
    """A PNG of noise, or something that only says that it is one."""
    if kind == "damaged":
        return b"\x89PNG\r\n\x1a\n and then nothing"
    pixels = np.random.default_rng((number, side)).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def tiny_weights(folder: Path) -> Path:
    """A network of random numbers: what is measured is the service."""
    path = folder / "tiny.safetensors"
    save_weights(build_model(config.tiny()), path, config.tiny())
    return path


if __name__ == "__main__":
    main()
