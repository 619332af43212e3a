#!/usr/bin/env python3
"""Hash what the commands of a checkout compute, and say where two checkouts differ.

    python scripts/same_bits.py hash . --out mine.json --keep mine/
    python scripts/same_bits.py hash ../other --out other.json --keep other/ --only 'fox.*' train
    python scripts/same_bits.py compare other.json mine.json

A change that should not change numbers must change none of these. Only commands (`python -m
glance3d ...`) and the files that they write are used, so checkouts may differ inside as they like.
They run by the Python that runs this script, with the checkout's ``src`` before installed packages.

The commands run with one thread and ``GLANCE3D_FAST=off``: fast paths are chosen by trial, so that
two runs may differ in their last bits. Results are the same on one machine with one set of
packages; on another machine they may differ.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

SCHEMA = "glance3d.same-bits/1"
ROOT = Path(__file__).resolve().parents[1]
SETS = (
    "fox",
    "hololens_office",
    "lund_door",
    "middlebury_motorcycle",
    "middlebury_templeSparseRing",
)
NUM_PHOTOS, NUM_ADDED = 5, 2  # of every set: its first photos, and the next ones for `add`
KEPT = {".npz", ".json", ".jsonl", ".csv", ".txt", ".safetensors"}  # suffixes that --keep keeps
LONGEST_LEAF = 100  # characters of a JSON value that are stored as they are

# What differs between two runs of one checkout, or between two days.
# Keys of JSON files (and arrays of evaluation's predictions), by the end of their path.
VARYING_KEYS = re.compile(
    r"""(^|\.)(
        created | times(\..*)? | seconds | \w+_seconds | waited   # clocks
      | memory\.peak_\w+ | machine(\..*)? | versions(\..*)?       # machine and environment
      | glance3d                                                  # the version in a manifest
      | files\..*\.(size|sha256)      # in a manifest: the files are hashed themselves, normalised
      | export\.files\..*            # sizes in a report, of files that name folders and times
    )$""",
    re.VERBOSE,
)
# Files that are not compared.
LEFT_OUT = (
    "checkpoint.pt",  # a training run's clocks; its weights and log are compared
)


@dataclass(frozen=True)
class Job:
    """One command; ``{name}`` is the result of job ``name``, ``{sets}`` and ``{masks}`` inputs."""

    name: str
    command: str
    starts_from: str | None = None  # the job whose result it reads
    in_copy: bool = False  # the command writes into a copy of that result, not to --out


def list_jobs() -> list[Job]:
    """All jobs, each after the one that it starts from."""
    jobs = []
    for name in ("fox", "lund_door", "hololens_office", *SETS[3:]):
        jobs += [
            Job(f"{name}.reconstruct", f"reconstruct {{sets}}/{name}/images"),
            Job(f"{name}.refine", f"refine {{{name}.reconstruct}}", f"{name}.reconstruct"),
        ]
    fox, temple, office = "{sets}/fox", "{sets}/middlebury_templeSparseRing", "hololens_office"
    motorcycle, door = "{sets}/middlebury_motorcycle", "{sets}/lund_door"
    return [
        *jobs,
        Job("fox.track_network", f"track {fox}/images --by network --grid 6 --query-view 1"),
        Job("lund_door.track_matching", f"track {door}/images --by matching --grid 6"),
        Job(
            f"{office}.track_geometry",
            f"track {{{office}.refine}} --by geometry --grid 6 --query-view 2",
            f"{office}.refine",
        ),
        Job(
            "evaluate_sets",
            f"evaluate {{sets}}/* --refine --baselines colmap --window 3 --synthetic-scenes 0 "
            f"--max-views {NUM_PHOTOS}",
        ),
        Job(
            "evaluate_densified",
            f"evaluate {motorcycle} --refine --densify --synthetic-scenes 0",
        ),
        Job("evaluate_synthetic", "evaluate --synthetic-scenes 32"),
        Job(f"{office}.window", f"reconstruct {{sets}}/{office}/images --window 3 --overlap 1"),
        Job(
            "lund_door.masks",
            f"reconstruct {door}/images --masks {{masks}}/lund_door --mask-input --refine "
            "--no-densify",
        ),
        Job(
            "fox.cameras",
            f"reconstruct {fox}/images --cameras {fox}/cameras.json --refine --no-densify",
        ),
        Job(
            f"{office}.scale_cameras",
            f"scale {{{office}.reconstruct}} --cameras {{sets}}/{office}/cameras.json",
            f"{office}.reconstruct",
        ),
        Job(
            f"{office}.scale_distance",
            f"scale {{{office}.refine}} --known-distance 000.jpg:100,100:400,250=1.5",
            f"{office}.refine",
        ),
        Job(
            "middlebury_motorcycle.outputs",
            f"reconstruct {motorcycle}/images --outputs camera depth points tracks "
            "--query 100,100 300,200 --preprocess crop --reference 001.jpg",
        ),
        Job(
            "fox.pad_thin",
            f"reconstruct {fox}/images --preprocess pad --attention thin --reference auto "
            "--max-pixels 60000",
        ),
        Job(
            "middlebury_templeSparseRing.add",
            f"add {{middlebury_templeSparseRing.reconstruct}} {temple}/more",
            "middlebury_templeSparseRing.reconstruct",
        ),
        Job(
            "lund_door.add_refine",
            f"add {{lund_door.refine}} {door}/more --refine --no-densify",
            "lund_door.refine",
        ),
        Job(
            "fox.refine_both",
            "refine {fox.reconstruct} --no-densify --correspondences both "
            "--camera-model simple-radial",
            "fox.reconstruct",
        ),
        Job(
            "fox.export",
            "export {fox.export} --format tum kitti depth-tiff depth-exr las gaussians masks",
            "fox.refine",
            in_copy=True,
        ),
        Job("train", "train --recipe tiny-test --threads 1"),
    ]


# Running -----------------------------------------------------------------------------------------


def make_inputs(sets: Path, work: Path) -> None:
    """The first photos of every set with their cameras and depth, more of them, and masks."""
    for name in SETS:
        source, target = sets / name, work / "sets" / name
        content = json.loads((source / "cameras.json").read_text())
        views = content["views"]
        content["views"] = views[:NUM_PHOTOS]
        for folder, some in (
            ("images", views[:NUM_PHOTOS]),
            ("more", views[NUM_PHOTOS : NUM_PHOTOS + NUM_ADDED]),
        ):
            (target / folder).mkdir(parents=True)
            for view in some:
                shutil.copy(source / view["image"], target / folder)
        if (source / "depth").is_dir():
            shutil.copytree(source / "depth", target / "depth")
        (target / "cameras.json").write_text(json.dumps(content))
    draw_masks(work / "sets" / "lund_door" / "images", work / "masks" / "lund_door")


def draw_masks(photos: Path, target: Path) -> None:
    """A mask for every photo: a black disc that moves a little from one to the next."""
    target.mkdir(parents=True)
    for index, photo in enumerate(sorted(photos.iterdir())):
        with Image.open(photo) as picture:
            mask = Image.new("L", picture.size, 255)
        x, y, radius = 0.4 * mask.width + 10 * index, 0.5 * mask.height, 0.15 * mask.width
        ImageDraw.Draw(mask).ellipse((x - radius, y - radius, x + radius, y + radius), fill=0)
        mask.save(target / f"{photo.stem}.png")


def run_job(
    job: Job, earlier: Future[Any] | None, checkout: Path, work: Path, keep: Path | None
) -> dict[str, Any]:
    """Run a job once the one that it starts from has run: its exit code, seconds and leaves."""
    if earlier is not None:
        earlier.result()
    out = work / "results" / job.name
    if job.in_copy:
        shutil.copytree(work / "results" / str(job.starts_from), out)
    arguments = [fill_in(word, work) for word in job.command.split()]
    arguments = [path for word in arguments for path in expand(word)]
    if not job.in_copy:
        arguments += ["--out", str(out)]
    environment = os.environ | {
        "PYTHONPATH": str(checkout / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "GLANCE3D_FAST": "off",
    }
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "glance3d", *arguments],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
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


# Hashing -----------------------------------------------------------------------------------------

Normalise = Callable[[str], str]


def digest(content: bytes) -> str:
    """A short hash of bytes."""
    return hashlib.sha256(content).hexdigest()[:16]


def normalise_text(text: str, work: Path, checkout: Path) -> str:
    """The text without folders of this run, times, dates, sizes of memory and versions."""
    text = text.replace(str(work), "WORK").replace(str(checkout), "CHECKOUT")
    lines = text.split("\n")
    if any(re.match(r"set .* sec$", line) for line in lines):
        # evaluation's table ends in a column of seconds
        lines = [re.sub(r"^(.*\S) +(-|[\d.]+)$", r"\1 #", line) for line in lines]
    text = "\n".join(lines)
    text = re.sub(r"\d{4}-\d\d-\d\d(T[\d:.+]+Z?)?", "DATE", text)
    text = re.sub(r"\b\d[\d.,]* (ms|s|min|h|kB|MB|GB)\b", r"# \1", text)
    return re.sub(r"glance3d \d+\.\d+\.\d+", "glance3d VERSION", text)


def hash_file(path: Path, normalise: Normalise) -> Iterator[tuple[str, str]]:
    """Pairs of a key inside the file ("" for a whole file) and its value or hash."""
    content = path.read_bytes()
    if path.suffix == ".npz":
        yield from hash_arrays(path, normalise)
    elif path.suffix == ".json":
        yield from hash_json(json.loads(content), normalise)
    elif path.suffix == ".jsonl":
        for index, line in enumerate(content.decode().splitlines()):
            yield from hash_json(json.loads(line), normalise, f"[{index}]")
    elif path.suffix == ".html":
        yield from hash_page(content.decode(), normalise)
    elif path.suffix in (".txt", ".csv"):
        yield "", digest(normalise(content.decode()).encode())
    elif path.suffix == ".las":
        # bytes 58 to 94 of the header: the software with its version, day and year of its making
        yield "", digest(content[:58] + content[94:])
    else:
        yield "", digest(re.sub(rb"glance3d \d+\.\d+\.\d+", b"glance3d VERSION", content))


def hash_arrays(path: Path, normalise: Normalise) -> Iterator[tuple[str, str]]:
    """Each array by itself: its type, shape and bytes; one that holds JSON by its keys."""
    with np.load(path) as arrays:
        for name in arrays.files:
            array = arrays[name]
            if VARYING_KEYS.search(name):
                yield f":{name}", "varies"
            elif array.dtype.kind != "U":
                bits = digest(np.ascontiguousarray(array).tobytes())
                yield f":{name}", f"{array.dtype} {list(array.shape)} {bits}"
            elif array.ndim == 0 and str(array)[:1] in ("{", "["):
                yield from hash_json(json.loads(str(array)), normalise, f":{name}")
            else:  # the dtype of strings holds the length of the longest, of a path for instance
                yield from hash_json(array.tolist(), normalise, f":{name}")


def hash_json(content: Any, normalise: Normalise, path: str = "") -> Iterator[tuple[str, str]]:
    """Each value by its path, ``:views[0].name``; lists of plain values are one value."""
    inside = list(content.items()) if isinstance(content, dict) else None
    if isinstance(content, list) and any(isinstance(value, dict | list) for value in content):
        inside = list(enumerate(content))
    if inside:
        for key, value in inside:
            step = f"[{key}]" if isinstance(key, int) else f"{'.' if path else ':'}{key}"
            yield from hash_json(value, normalise, f"{path}{step}")
    elif VARYING_KEYS.search(path.replace(":", ".")):
        yield path, "varies"
    else:
        text = json.dumps(content)
        text = normalise(text) if '"' in text else text
        yield path, text if len(text) <= LONGEST_LEAF else f"{text[:60]}... {digest(text.encode())}"


def hash_page(page: str, normalise: Normalise) -> Iterator[tuple[str, str]]:
    """Each script of an HTML page by its number, and the rest without times."""
    for index, script in enumerate(re.findall(r"<script.*?</script>", page, re.DOTALL)):
        yield f":script[{index}]", digest(normalise(script).encode())
    rest = re.sub(r"<script.*?</script>", "<script/>", page, flags=re.DOTALL)
    # bars of the table of times; cores of the machine; the version
    rest = re.sub(r'(<td class="share".*?width:)[\d.]+%', r"\1#", rest)
    rest = re.sub(r"\d+ cores?\b", "# cores", rest)
    rest = re.sub(r"(<dt>Glance3D</dt><dd>)[^<]*", r"\1VERSION", rest)
    yield ":page", digest(normalise(rest).encode())


# Commands ----------------------------------------------------------------------------------------


def chosen_jobs(only: Sequence[str] | None) -> list[Job]:
    """The jobs that a pattern names, and those that they start from."""
    jobs = {job.name: job for job in list_jobs()}
    if only is None:
        return list(jobs.values())
    names = {name for name in jobs for pattern in only if fnmatch(name, pattern)}
    if not names:
        raise SystemExit(f"no job is called {' or '.join(only)}; there are {', '.join(jobs)}")
    for job in reversed(list(jobs.values())):  # from the last, so that a chain is followed
        if job.name in names and job.starts_from:
            names.add(job.starts_from)
    return [job for job in jobs.values() if job.name in names]


def default_sets() -> Path:
    """The photo sets: ``shared/data`` beside the checkout, or further up for a worktree."""
    places = [parent / "shared" / "data" for parent in ROOT.parents]
    return next((place for place in places if place.is_dir()), places[0])


def hash_checkout(options: argparse.Namespace) -> int:
    """Run the jobs, at most ``--jobs`` at a time, and write their hashes."""
    checkout, jobs = options.checkout.resolve(), chosen_jobs(options.only)
    if not (checkout / "src").is_dir():
        raise SystemExit(f"{checkout} has no folder src; give the root of a checkout")
    if not (options.sets / SETS[0]).is_dir():
        raise SystemExit(f"{options.sets} has no set {SETS[0]}; say where they are with --sets")
    keep = options.keep and options.keep.resolve()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="same_bits_") as folder:
        work = Path(folder).resolve()
        make_inputs(options.sets.resolve(), work)
        futures: dict[str, Future[dict[str, Any]]] = {}
        # A job waits for an earlier one, which was begun before it: nothing waits for ever.
        with ThreadPoolExecutor(options.jobs) as pool:
            for job in jobs:
                earlier = futures.get(job.starts_from or "")
                futures[job.name] = pool.submit(run_job, job, earlier, checkout, work, keep)
        results = {name: future.result() for name, future in futures.items()}
    content = {
        "schema": SCHEMA,
        "checkout": str(checkout),
        "commit": commit_of(checkout),
        "packages": {name: version(name) for name in ("torch", "numpy", "pillow", "pycolmap")},
        "only": options.only,
        "kept": str(keep) if keep else None,
        "seconds": round(time.monotonic() - start, 1),
        "jobs": results,
    }
    options.out.write_text(json.dumps(content, indent=1) + "\n")
    failed = [name for name, result in results.items() if result["leaves"]["exit"] != "0"]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def commit_of(checkout: Path) -> str | None:
    """The commit that is checked out, with ``-dirty`` if files differ from it."""
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--exclude", "*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def compare(options: argparse.Namespace) -> int:
    """Print what differs between two files of hashes; 1 if anything does."""
    first, second = (json.loads(path.read_text()) for path in (options.first, options.second))
    for key in ("commit", "packages"):
        if first[key] != second[key]:
            print(f"note: {key} {first[key]} and {second[key]}")
    partial_run = first["only"] is not None or second["only"] is not None
    num_compared, num_differences = 0, 0
    for name in [*first["jobs"], *(n for n in second["jobs"] if n not in first["jobs"])]:
        pair = [content["jobs"].get(name) for content in (first, second)]
        if None in pair:
            if not partial_run:
                print(f"{name}: only in the {'first' if pair[1] is None else 'second'}")
                num_differences += 1
            continue
        a, b = (result["leaves"] for result in pair)
        keys = [k for k in [*a, *(k for k in b if k not in a)] if not is_ignored(name, k, options)]
        num_compared += len(keys)
        different = [key for key in keys if a.get(key) != b.get(key)]
        num_differences += len(different)
        if different:
            print(f"{name}: {len(different)} of {len(keys)} differ")
        for key in different[: options.most]:
            places = [
                content["kept"] and Path(content["kept"], name) for content in (first, second)
            ]
            print(f"  {key}: {a.get(key, 'missing')} -> {b.get(key, 'missing')}")
            print(describe_difference(key, places), end="")
        if len(different) > options.most:
            print(f"  and {len(different) - options.most} more (--most)")
    print(f"{num_differences} of {num_compared} values, arrays and files differ")
    return 1 if num_differences else 0


def is_ignored(job: str, key: str, options: argparse.Namespace) -> bool:
    """Whether a pattern of --ignore names this part of a job."""
    return any(fnmatch(f"{job}/{key}", pattern) for pattern in options.ignore)


def describe_difference(key: str, kept: Sequence[Path | None]) -> str:
    """By how much two kept arrays differ; nothing if this is no array, or was not kept."""
    file, _, name = key.partition(":")
    paths = [folder / file for folder in kept if folder is not None]
    if not file.endswith(".npz") or len(paths) < 2 or not all(path.is_file() for path in paths):
        return ""
    with np.load(paths[0]) as first, np.load(paths[1]) as second:
        if name not in first or name not in second:
            return ""
        a, b = first[name], second[name]
    if a.shape != b.shape or a.dtype.kind not in "fiub" or b.dtype.kind not in "fiub":
        return ""
    num = int((~((a == b) | ((a != a) & (b != b)))).sum())
    size = np.abs(a.astype(np.float64) - b.astype(np.float64))
    largest = float(np.nanmax(size)) if np.isfinite(size).any() else float("nan")
    return f"    {num} of {a.size} numbers, by at most {largest:.3g}\n"


def main() -> int:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("hash", help="run the commands of a checkout and hash their results")
    run.add_argument("checkout", type=Path, help="root of a checkout")
    run.add_argument("--out", type=Path, required=True, help="JSON file of hashes to write")
    run.add_argument("--sets", type=Path, default=default_sets(), help="folder of the photo sets")
    run.add_argument("--only", nargs="+", metavar="JOB", help="jobs, or patterns like 'fox.*'")
    run.add_argument("--keep", type=Path, help="folder for arrays, JSON and text of the results")
    run.add_argument("--jobs", type=int, default=1, help="commands that run side by side")
    run.set_defaults(run=hash_checkout)
    against = commands.add_parser(
        "compare", help="print what differs; exit code 1 if anything does"
    )
    against.add_argument("first", type=Path)
    against.add_argument("second", type=Path)
    against.add_argument(
        "--ignore",
        nargs="+",
        default=[],
        metavar="PATTERN",
        help="parts to pass over, like '*/stdout' or 'fox.*/report.json:warnings*'",
    )
    against.add_argument("--most", type=int, default=12, help="differences of a job to print")
    against.set_defaults(run=compare)
    options = parser.parse_args()
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
