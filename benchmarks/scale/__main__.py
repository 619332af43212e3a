"""How time, memory and disk grow with the photos.

    python -m benchmarks.scale ../shared/data/long_walk/images --refine --out RESULT.md
    python -m benchmarks.scale ../shared/data/long_walk/images --photos 25 50 100 200 400

The first photos of a folder, in order, so that neighbours overlap alike however many there are.
What was measured is kept beside the result (``.jsonl``): a run that was stopped goes on there.
Without a folder only the part on paper is made.
"""

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.compare import RESULTS, describe_machine
from benchmarks.scale.measured import KINDS, Row, rows, table
from benchmarks.scale.paper import lines
from glance3d.files.atomic import atomic_file


def main() -> None:
    """Measure, write after every run, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--photos", type=int, nargs="+", default=[25, 50, 100, 200])
    parser.add_argument("--kinds", choices=KINDS, nargs="+", default=["cameras"])
    parser.add_argument("--refine", action="store_true", help="refine as well")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    today = datetime.now(UTC).date()
    out = options.out or RESULTS / f"{today}-scale.md"
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    kinds = [*options.kinds, *(["refined"] if options.refine else [])]
    head = [f"# Time, memory and disk against photos, {today}", "", *describe_machine("cpu"), ""]
    measured: list[Row] = []
    if options.folder is not None:
        kept = out.with_suffix(".jsonl")
        for row in rows(options.folder, options.photos, kinds, options.threads, kept):
            measured.append(row)
            _write(out, [*head, *_measured(measured, options.folder)])
    text = [*head, *_measured(measured, options.folder), "## On paper", "", *lines()]
    _write(out, text)
    print("\n".join(text))


def _measured(measured: list[Row], folder: Path | None) -> list[str]:
    if folder is None:
        return []
    about = f"The first photos of `{folder.parent.name}/{folder.name}`, glance-small."
    return ["## Measured", "", about, "", *table(measured), ""]


def _write(path: Path, text: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        temporary.write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
