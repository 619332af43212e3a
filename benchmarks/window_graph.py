"""Windows as a chain and as a graph: ``python -m benchmarks.window_graph --loops 200``.

A simulated network (``benchmarks/simulated_network.py``: the truth with noise, and drift in scale
and rotation along every pass) walks through drawn buildings, so that the joining of windows is
judged apart from any weights. Loops: the trajectory's error of the chain and of the graph, after
the best Sim(3), after the best SE(3) at the scale that the first window has, and the drift: where
the walk has come back, how far the two visits are apart from how they truly lie. Corridors with two
equal rooms (``--corridors``): loops accepted from passes in which the network was tempted.

What was measured is kept beside the result (``.jsonl``): a run that was stopped goes on there.
"""

import argparse
import platform
import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch
from tqdm import tqdm

from benchmarks.drawn_walks import HEIGHT, WIDTH, Walk, ring, twins
from benchmarks.kept_rows import keep_row, read_rows
from benchmarks.simulated_network import SimulatedNetwork, Temptation
from glance3d.files.atomic import atomic_file
from glance3d.geometry.cameras import camera_centers
from glance3d.geometry.similarity import estimate_similarity, rigid_part
from glance3d.types import Predictions
from glance3d.windows import MemoryStore, WindowGraph, WindowOptions, lay_out, predict_in_windows

_RESULTS = Path(__file__).parent / "results"
OPTIONS = WindowOptions(10, 3)
TEMPTATIONS: tuple[Temptation, ...] = ("fooled", "muddled", "unsure")


@dataclass(frozen=True)
class Errors:
    """In metres: after Sim(3), after SE(3), and the drift."""

    similarity: float
    rigid: float
    drift: float


@dataclass(frozen=True)
class LoopResult:
    """One drawn loop."""

    seed: int
    laps: float
    num_windows: int
    num_closed: int
    num_candidates: int
    chain: Errors
    graph: Errors


@dataclass(frozen=True)
class CorridorResult:
    """One drawn corridor: candidates, loops accepted, and those of them that are false."""

    seed: int
    tempted: str
    num_candidates: int
    num_accepted: int
    num_false: int
    num_lies: int


@dataclass(frozen=True)
class Task:
    """A loop of so many laps, or without laps a corridor."""

    seed: int
    laps: float | None = None

    def run(self) -> LoopResult | CorridorResult:
        """Measure it."""
        if self.laps is None:
            return run_corridor(self.seed)
        return run_loop(self.seed, self.laps)


def main() -> None:
    """Measure, write the tables after every twentieth row, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--loops", type=int, default=200)
    parser.add_argument("--corridors", type=int, default=1000)
    parser.add_argument("--laps", type=float, nargs="+", default=[1.0, 2.0])
    parser.add_argument("--first-seed", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=_RESULTS, help="the result's folder")
    options = parser.parse_args()
    path = options.out / f"{datetime.now(UTC).date().isoformat()}-window-graph.md"
    tasks = list(tasks_of(options))
    results = dict(read_results(options.out / "window-graph.jsonl"))
    with ProcessPoolExecutor(
        options.jobs, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        running = {pool.submit(task.run): task for task in tasks if task not in results}
        for number, future in enumerate(tqdm(as_completed(running), total=len(running))):
            results[running[future]] = future.result()
            keep_row(options.out / "window-graph.jsonl", asdict(future.result()))
            if number % 20 == 0:
                _write(path, lines_of([results[task] for task in tasks if task in results]))
    text = lines_of([results[task] for task in tasks])
    _write(path, text)
    print("\n".join(text))


def tasks_of(options: argparse.Namespace) -> Iterator[Task]:
    """In an order in which what is done at a stop is a share of each kind."""
    tasks: list[tuple[float, Task]] = []
    for index in range(options.loops):
        for laps in options.laps:
            tasks.append((index / options.loops, Task(options.first_seed + index, laps)))
    for index in range(options.corridors):
        tasks.append((index / options.corridors, Task(options.first_seed + index)))
    yield from (task for _, task in sorted(tasks, key=lambda one: one[0]))


def read_results(kept: Path) -> Iterator[tuple[Task, LoopResult | CorridorResult]]:
    """What earlier runs measured."""
    for row in read_rows(kept):
        if "laps" not in row:
            yield Task(row["seed"]), CorridorResult(**row)
            continue
        errors = {name: Errors(**row[name]) for name in ("chain", "graph")}
        yield Task(row["seed"], row["laps"]), LoopResult(**{**row, **errors})


def _write(path: Path, lines: Sequence[str]) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text("\n".join(["# Windows as a graph", "", *lines]) + "\n")


def lines_of(results: Sequence[LoopResult | CorridorResult]) -> list[str]:
    """All tables, as far as there are rows for them."""
    loops = [result for result in results if isinstance(result, LoopResult)]
    corridors = [result for result in results if isinstance(result, CorridorResult)]
    seeds = [result.seed for result in results]
    lines = [
        f"machine: {platform.processor() or platform.machine()}, Python "
        f"{platform.python_version()}, torch {torch.__version__}; seeds {min(seeds)} to "
        f"{max(seeds)}",
        "",
    ]
    for laps in sorted({result.laps for result in loops}):
        lines += loop_lines(laps, [result for result in loops if result.laps == laps])
    return lines + (corridor_lines(corridors) if corridors else [])


def run_loop(seed: int, laps: float) -> LoopResult:
    """A walk round a block, as a chain and as a graph."""
    walk, store = ring(seed, laps), MemoryStore()
    network = SimulatedNetwork(walk, seed)
    (chain, _), (closed, graph) = _predict(network, store, False), _predict(network, store, True)
    accepted = sum(not verdict.reasons for verdict in graph.loops)
    errors = (errors_of(predictions, walk, graph) for predictions in (chain, closed))
    return LoopResult(seed, laps, len(graph.windows), accepted, len(graph.loops), *errors)


def run_corridor(seed: int) -> CorridorResult:
    """A walk past two equal rooms, by a network that is tempted in one of several ways."""
    tempted = TEMPTATIONS[seed % len(TEMPTATIONS)]
    network = SimulatedNetwork(twins(seed), seed, tempted)
    _, graph = _predict(network, MemoryStore(), True)
    loops = [alignment for alignment in graph.alignments if alignment.loop]
    false = sum(frozenset(alignment.shared) in network.lies for alignment in loops)
    return CorridorResult(seed, tempted, len(graph.loops), len(loops), false, len(network.lies))


def _predict(
    network: SimulatedNetwork, store: MemoryStore, loops: bool
) -> tuple[Predictions, WindowGraph]:
    usable = torch.ones(len(network.walk), HEIGHT, WIDTH, dtype=torch.bool)
    likeness = network.likeness() if loops else None
    windows = lay_out(len(network.walk), OPTIONS)
    return predict_in_windows(network.predict, windows, usable, store=store, likeness=likeness)


def errors_of(predictions: Predictions, walk: Walk, graph: WindowGraph) -> Errors:
    """Of the cameras' positions against the true ones."""
    found = camera_centers(predictions.cameras()[0][0].double())
    true = camera_centers(walk.cam_from_world())
    moved = estimate_similarity(found, true)
    first = list(graph.windows[0])
    scale = estimate_similarity(found[first], true[first]).scale
    rigid = rigid_part(moved, found * scale, true)  # a Sim(3) turns the same whatever the scale
    begun = estimate_similarity(found[first], true[first])
    last = begun.transform_points(found[-1]) - true[-1]
    return Errors(
        _rms(moved.transform_points(found) - true),
        _rms(rigid.transform_points(found * scale) - true),
        float(last.norm()),
    )


def _rms(differences: torch.Tensor) -> float:
    return float(differences.norm(dim=-1).square().mean().sqrt())


def loop_lines(laps: float, results: Sequence[LoopResult]) -> list[str]:
    """A table of medians, means and ratios."""
    windows = statistics.mean(result.num_windows for result in results)
    closed = sum(result.num_closed > 0 for result in results)
    lines = [
        f"## {len(results)} drawn loops, {laps:g} {'lap' if laps == 1 else 'laps'}, "
        f"{windows:.0f} windows of {OPTIONS.views}",
        "",
        f"A loop was closed in {closed} of {len(results)}.",
        "",
        "| metres (median; mean) | chain | graph | median ratio |",
        "| --- | --- | --- | --- |",
    ]
    for name, about in (
        ("similarity", "ATE after Sim(3)"),
        ("rigid", "ATE after SE(3), scale of the first window"),
        ("drift", "drift where the walk comes back"),
    ):
        chain = [getattr(result.chain, name) for result in results]
        graph = [getattr(result.graph, name) for result in results]
        ratio = statistics.median(a / b for a, b in zip(chain, graph, strict=True))
        cells = [f"{statistics.median(v):.3f}; {statistics.mean(v):.3f}" for v in (chain, graph)]
        lines.append(f"| {about} | {cells[0]} | {cells[1]} | {ratio:.1f} |")
    return [*lines, ""]


def corridor_lines(results: Sequence[CorridorResult]) -> list[str]:
    """Counts by the way of being tempted."""
    lines = [
        f"## {len(results)} drawn corridors with two equal rooms",
        "",
        "| tempted | corridors | candidates | tempted passes | loops accepted | false |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for tempted in (*TEMPTATIONS, "all"):
        some = [result for result in results if tempted in ("all", result.tempted)]
        counts = [
            sum(getattr(result, name) for result in some)
            for name in ("num_candidates", "num_lies", "num_accepted", "num_false")
        ]
        lines.append(f"| {tempted} | {len(some)} | {' | '.join(map(str, counts))} |")
    return [*lines, ""]


if __name__ == "__main__":
    main()
