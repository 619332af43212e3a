"""Run the jobs on a checkout, by its command line alone, and hash what they write."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from hashing import LEFT_OUT, digest, hash_file, normalise_text
from jobs import Job

KEPT = {".npz", ".json", ".jsonl", ".csv", ".txt", ".safetensors"}  # suffixes that --keep keeps


def run_jobs(
    jobs: Sequence[Job], side_by_side: int, checkout: Path, work: Path, keep: Path | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name and result of every job, in their order."""
    futures: dict[str, Future[dict[str, Any]]] = {}
    with ThreadPoolExecutor(side_by_side) as pool:
        # A job waits for an earlier one, which was begun before it: nothing waits for ever.
        for job in jobs:
            earlier = futures.get(job.starts_from or "")
            futures[job.name] = pool.submit(run_job, job, earlier, checkout, work, keep)
        for name, future in futures.items():
            yield name, future.result()


def run_job(
    job: Job, earlier: Future[Any] | None, checkout: Path, work: Path, keep: Path | None
) -> dict[str, Any]:
    """Run a job once the one that it starts from has run: its exit code, seconds and leaves."""
    if earlier is not None:
        earlier.result()
    out, source = (work / "results" / name for name in (job.name, job.starts_from or ""))
    if job.in_copy and source.is_dir():
        shutil.copytree(source, out)
    start = time.monotonic()
    done = run_command(job, checkout, work)
    seconds = time.monotonic() - start
    print(f"{job.name}: {seconds:.0f} s, exit {done.returncode}", file=sys.stderr, flush=True)
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr, flush=True)
    normalise = partial(normalise_text, work=work, checkout=checkout)
    leaves = {"exit": str(done.returncode), "stdout": digest(normalise(done.stdout).encode())}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        if path.name not in LEFT_OUT:
            name = path.relative_to(out).as_posix()
            leaves |= {f"{name}{key}": value for key, value in hash_file(path, normalise)}
    if keep is not None:
        keep_results(out, keep / job.name)
        (keep / job.name / "stdout.txt").write_text(normalise(done.stdout))
    return {"seconds": round(seconds, 1), "leaves": leaves}


def run_command(job: Job, checkout: Path, work: Path) -> subprocess.CompletedProcess[str]:
    """Run the job's command with the checkout's code."""
    words = [fill_in(word, work) for word in job.command.split()]
    arguments = [path for word in words for path in expand(word)]
    if not job.in_copy:
        arguments += ["--out", str(work / "results" / job.name)]
    environment = os.environ | {
        "PYTHONPATH": str(checkout / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "GLANCE3D_FAST": "off",
    }
    return subprocess.run(
        [sys.executable, "-m", "glance3d", *arguments],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def fill_in(word: str, work: Path) -> str:
    """The word with ``{sets}``, ``{masks}`` and ``{job}`` replaced by folders."""

    def folder(match: re.Match[str]) -> str:
        name = match.group(1)
        return str(work / name if name in ("sets", "masks") else work / "results" / name)

    return re.sub(r"\{([^}]+)\}", folder, word)


def expand(word: str) -> list[str]:
    """The folders that a word which ends in ``/*`` stands for; any other word alone."""
    return [str(p) for p in sorted(Path(word[:-2]).iterdir())] if word.endswith("/*") else [word]


def keep_results(out: Path, target: Path) -> None:
    """Copy the files that a difference can be looked up in."""
    target.mkdir(parents=True, exist_ok=True)
    for path in out.rglob("*"):
        if path.is_file() and path.suffix in KEPT:
            place = target / path.relative_to(out)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
