"""Hash what the commands of a checkout compute, and say where two checkouts differ.

    python scripts/same_bits hash . --out mine.json --keep mine/
    python scripts/same_bits hash ../other --out other.json --keep other/ --only 'fox.*' train
    python scripts/same_bits compare other.json mine.json

A change that should not change numbers must change none of these. Only commands (`python -m
glance3d ...`) and the files that they write are used, so checkouts may differ inside as they like.
They run by the Python that runs this script, with the checkout's ``src`` before installed packages.

The commands run with one thread and ``GLANCE3D_FAST=off``: fast paths are chosen by trial, so that
two runs may differ in their last bits. Results are the same on one machine with one set of
packages; on another machine they may differ.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from comparing import compare
from jobs import SETS, chosen_jobs, make_inputs
from running import run_jobs

SCHEMA = "glance3d.same-bits/1"
ROOT = Path(__file__).resolve().parents[2]


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
    content = {
        "schema": SCHEMA,
        "checkout": str(checkout),
        "commit": commit_of(checkout),
        "packages": {name: version(name) for name in ("torch", "numpy", "pillow", "pycolmap")},
        "only": options.only,
        "kept": str(keep) if keep else None,
        "jobs": {},
    }
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="same_bits_") as folder:
        work = Path(folder).resolve()
        make_inputs(options.sets.resolve(), work)
        for name, result in run_jobs(jobs, options.jobs, checkout, work, keep):
            content["jobs"][name] = result
            options.out.write_text(json.dumps(content, indent=1) + "\n")
    print(f"all: {time.monotonic() - start:.0f} s", file=sys.stderr)
    failed = [n for n, result in content["jobs"].items() if result["leaves"]["exit"] != "0"]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def commit_of(checkout: Path) -> str | None:
    """The commit that is checked out, with ``-dirty`` if files differ from it."""
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--exclude", "*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


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
