"""``glance3d reconstruct`` of more and more photos, each in a process of its own; resumable."""

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import linear_regression

from benchmarks.kept_rows import keep_row, read_rows

#: What is run, by name: options of ``glance3d reconstruct``.
KINDS = {
    "cameras": ("--outputs", "camera"),
    "thin": ("--outputs", "camera", "--attention", "thin"),
    "near": ("--outputs", "camera", "--attention", "near"),
    "windows": ("--outputs", "camera", "--window", "32"),
    "refined": ("--refine",),
}
#: Stages of a report that are no refinement.
_BEFORE_REFINEMENT = ("load_model", "load_images", "predict", "to_scene", "write", "total")
_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Row:
    """One run: seconds of the network's pass and of refinement, bytes of memory and of files."""

    kind: str
    photos: int
    threads: int
    predict: float
    refine: float
    total: float
    peak: int
    planned: int
    disk: int


def first_photos(folder: Path, number: int) -> list[Path]:
    """The first photos of a folder, in order: as many as there are, at most ``number``."""
    photos = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    return photos[:number]


def rows(
    folder: Path, numbers: Sequence[int], kinds: Sequence[str], threads: int, kept: Path
) -> Iterator[Row]:
    """Every number of photos in every kind; what ``kept`` holds of an earlier run is not run."""
    rows_before = [Row(**row) for row in read_rows(kept)]
    done = {(row.kind, row.photos, row.threads): row for row in rows_before}
    for number in numbers:
        photos = first_photos(folder, number)
        for kind in kinds:
            row = done.get((kind, len(photos), threads))
            if row is None:
                row = run(photos, kind, threads)
                keep_row(kept, asdict(row))
                done[kind, row.photos, threads] = row
            yield row


def run(photos: Sequence[Path], kind: str, threads: int) -> Row:
    """Reconstruct them into a folder that is thrown away, and read its report."""
    with tempfile.TemporaryDirectory() as parent:
        out = Path(parent) / "scene"
        command = [sys.executable, "-m", "glance3d", "reconstruct", *map(str, photos)]
        subprocess.run([*command, "--out", str(out), *KINDS[kind]], check=True, stdout=sys.stderr)
        report = json.loads((out / "report.json").read_text())
        disk = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    times, memory = report["times"], report["memory"]
    refine = sum(seconds for name, seconds in times.items() if name not in _BEFORE_REFINEMENT)
    return Row(
        kind,
        len(photos),
        threads,
        times["predict"],
        refine,
        times["total"],
        memory["peak_process"],
        memory["planned"],
        disk,
    )


def exponent(counts: Sequence[float], values: Sequence[float]) -> float:
    """``e`` of ``value = factor * count^e``, by least squares of the logarithms."""
    logs = [[math.log(value) for value in series] for series in (counts, values)]
    return linear_regression(*logs).slope


def linear_and_square(counts: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """``a`` and ``b`` of ``value = a count + b count^2``, by least squares of relative errors."""
    # value / count = a + b count, each weighted by count / value: relative errors count alike.
    weights = [(count / value) ** 2 for count, value in zip(counts, values, strict=True)]
    ratios = [value / count for count, value in zip(counts, values, strict=True)]
    total = sum(weights)
    mean_count = sum(w * c for w, c in zip(weights, counts, strict=True)) / total
    mean_ratio = sum(w * r for w, r in zip(weights, ratios, strict=True)) / total
    spread = sum(w * (c - mean_count) ** 2 for w, c in zip(weights, counts, strict=True))
    shared = sum(
        w * (c - mean_count) * (r - mean_ratio)
        for w, c, r in zip(weights, counts, ratios, strict=True)
    )
    square = shared / spread
    return mean_ratio - square * mean_count, square


def table(measured: Sequence[Row]) -> list[str]:
    """The rows, and beneath them the exponent of each kind."""
    lines = [
        "| run | photos | network, s | refinement, s | all, s | peak GB | planned GB | disk MB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in measured:
        lines.append(
            f"| {row.kind} | {row.photos} | {row.predict:.1f} | {row.refine:.1f} | {row.total:.1f} "
            f"| {row.peak / 1e9:.2f} | {row.planned / 1e9:.2f} | {row.disk / 1e6:.1f} |"
        )
    return [*lines, "", *(line for kind in KINDS for line in _growth(kind, measured))]


def _growth(kind: str, measured: Sequence[Row]) -> list[str]:
    of_kind = sorted((row for row in measured if row.kind == kind), key=lambda row: row.photos)
    counts = [row.photos for row in of_kind]
    if len(set(counts)) < 2:
        return []
    network = [row.predict for row in of_kind]
    said = [f"the network takes photos^{exponent(counts, network):.2f}"]
    if all(row.refine > 0 for row in of_kind):
        said.append(f"refinement photos^{exponent(counts, [row.refine for row in of_kind]):.2f}")
    peaks = [row.peak / 1e6 for row in of_kind]
    said.append(f"memory {linear_regression(counts, peaks).slope:.0f} MB a photo")
    linear, square = linear_and_square(counts, network)
    if len(set(counts)) > 2 and linear > 0 and square > 0:
        said.append(
            f"{linear:.2f} s a photo and {1e3 * square:.2f} ms a pair of photos: what grows with "
            f"the square is half of the network's time from {linear / square:.0f} photos on"
        )
    return [f"- {kind}, {counts[0]} to {counts[-1]} photos: {'; '.join(said)}."]
