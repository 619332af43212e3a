"""Passes over likely loops are kept as windows are: a run that was stopped in one goes on there."""

import hashlib
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from benchmarks.drawn_walks import HEIGHT, WIDTH, ring
from benchmarks.simulated_network import SimulatedNetwork

from glance3d.cli.terminal.stopping import Stopped
from glance3d.results.unfinished import LOOK_PREFIX, UNFINISHED_FOLDER, unfinished_files
from glance3d.types import ImageBatch, Placement, Predictions
from glance3d.windows import WindowOptions, lay_out, predict_in_windows
from glance3d.windows.disk import DiskStore, DiskUse
from glance3d.windows.loops.sizes import most_looks

OPTIONS = WindowOptions(10, 3)


def key_of(views: Sequence[int]) -> str:
    return hashlib.sha256(repr(tuple(views)).encode()).hexdigest()


def looks_in(root: Path) -> list[Path]:
    return [path for path in unfinished_files(root) if path.name.startswith(LOOK_PREFIX)]


def test_a_run_that_was_stopped_in_a_loop_looks_only_at_what_it_had_not(tmp_path: Path) -> None:
    network = SimulatedNetwork(ring(0), 0)
    count = len(network.walk)
    windows = lay_out(count, OPTIONS)
    usable = torch.ones(count, HEIGHT, WIDTH, dtype=torch.bool)

    def run(stop_after: int | None = None) -> tuple[Predictions, int]:
        before = network.passes

        def predict(views: Sequence[int]) -> Predictions:
            if network.passes - before == stop_after:
                raise Stopped(signal.SIGINT)
            return network.predict(views)

        store = DiskStore(tmp_path / UNFINISHED_FOLDER, list(map(key_of, windows)), key_of)
        found, _ = predict_in_windows(
            predict, windows, usable, store=store, likeness=network.likeness()
        )
        assert store.num_looks > 1
        return found, network.passes - before

    with pytest.raises(Stopped):
        run(stop_after=len(windows) + 1)
    assert len(looks_in(tmp_path)) == 1
    whole, rest = run()
    looks = looks_in(tmp_path)
    assert rest == len(looks) - 1 > 0
    again, none = run()
    assert none == 0
    for one, other in zip(again.cameras(), whole.cameras(), strict=True):
        assert torch.equal(one, other)
    batch = ImageBatch(
        torch.zeros(count, 3, HEIGHT, WIDTH),
        ("",) * count,
        ("",) * count,
        (Placement((WIDTH, HEIGHT), (WIDTH, HEIGHT)),) * count,
    )
    use = DiskUse.of(windows, batch, ("camera", "depth"), loops=True)
    taken = sum(path.stat().st_size for path in looks)
    assert taken <= use.looks * len(looks) / most_looks(use.of_windows)
