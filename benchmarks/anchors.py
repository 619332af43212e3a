"""Anchors against windows: ``python -m benchmarks.anchors SETS... --sizes 8 12 --views 48``.

Anchors are some views whose keys and values all others attend to beside their own: work linear in
the number of views, as with windows. Here they are tried through the seam of ranks, without being
an option of the package: pose AUC of photo sets with true cameras in one pass, with anchors and in
windows of as many views. Without sets the work is counted, on paper.
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.window import scores
from glance3d.evaluation import EvaluationScene, photo_set
from glance3d.models import VGGT, load_model
from glance3d.models.photo_descriptors import describe_photos
from glance3d.models.vggt.aggregator import Aggregator
from glance3d.nn.inference import run_block_
from glance3d.nn.rope import build_rope_table
from glance3d.pass_options import PassOptions, WindowOptions
from glance3d.prediction import predict
from glance3d.retrieval import photo_likeness


class KeysBeside:
    """In the place of other ranks' keys and values: the anchors'; or, without any, a recorder."""

    by_ring = False

    def __init__(self, beside: list[Tensor] | None = None) -> None:
        self.kept: list[Tensor] = []  # keys, values
        self._beside = beside

    def gathered(self, own: Tensor) -> Tensor:
        """Called with keys, then with values."""
        self.kept.append(own)
        if self._beside is None:
            return own
        return torch.cat([self._beside[len(self.kept) - 1], own], 1)


@contextmanager
def anchored(aggregator: Aggregator, anchors: Sequence[int]) -> Iterator[None]:
    """Within the block, views see these (the first one must be among them) and themselves."""

    def stream(
        tokens: Tensor, grid: tuple[int, int], layers: tuple[int, ...], *_: object
    ) -> Iterator[tuple[int, Tensor, Tensor]]:
        x = tokens[0].clone()
        head_dim = x.shape[-1] // aggregator.config.num_heads
        special, base = aggregator.patch_start_idx, aggregator.config.rope_base
        rope = build_rope_table(grid, special, head_dim, base, x.device)
        chosen = list(anchors)
        others = [view for view in range(len(x)) if view not in set(chosen)]
        for index in range(max(layers) + 1):
            halves = {}
            for kind in aggregator.config.order:
                if kind == "frame":
                    x = run_block_(aggregator.frame_blocks[index], x, rope)
                else:
                    block, recorder = aggregator.global_blocks[index], KeysBeside()
                    together = x[chosen].flatten(0, 1)[None]
                    x[chosen] = run_block_(block, together, rope, None, recorder)[0].view_as(
                        x[chosen]
                    )
                    for view in others:
                        beside = KeysBeside(recorder.kept)
                        x[view] = run_block_(block, x[view][None].clone(), rope, None, beside)[0]
                halves[kind] = x.clone()
            if index in layers:
                yield index, halves["frame"][None], halves["global"][None]

    aggregator.stream = stream
    try:
        yield
    finally:
        del aggregator.stream


def spread(likeness: Tensor, count: int) -> list[int]:
    """The first view, then always the one that is least like all that are chosen."""
    chosen, nearest = [0], likeness[0].clone()
    while len(chosen) < min(count, len(likeness)):
        nearest[chosen] = torch.inf
        chosen.append(int(nearest.argmin()))
        nearest = torch.maximum(nearest, likeness[chosen[-1]])
    return sorted(chosen)


def measure(network: VGGT, scene: EvaluationScene, sizes: Sequence[int]) -> Iterator[str]:
    """A row for one pass, and for anchors and windows of each size."""
    batch, cameras = scene.batch, ("camera",)
    likeness = photo_likeness(describe_photos(network, batch))
    yield f"one pass | {scores(predict(network, batch, PassOptions(cameras)), scene)}"
    for size in sizes:
        with anchored(network.aggregator, spread(likeness, size)):
            yield f"{size} anchors | {scores(predict(network, batch, PassOptions(cameras)), scene)}"
        windows = PassOptions(cameras, window=size)
        yield f"windows of {size} | {scores(predict(network, batch, windows), scene)}"


def counted(views: int, size: int, tokens: int, layers: int, dim: int) -> dict[str, float]:
    """Multiply-adds of frame and global blocks: one pass, anchors, windows; in 10^15.

    A block has 12 dim^2 for each token (projections 4, perceptron 8) and 2 dim for each pair of a
    query and a key.
    """
    shared = WindowOptions(size).shared
    num_windows = math.ceil((views - shared) / (size - shared))

    def work(shown: int, pairs: float) -> float:
        of_frames = shown * tokens**2
        return layers * (24 * dim**2 * shown * tokens + 2 * dim * (of_frames + pairs)) / 1e15

    return {
        "one pass": work(views, (views * tokens) ** 2),
        "anchors": work(views, (size**2 + (views - size) * (size + 1)) * tokens**2),
        "windows": work(num_windows * size, num_windows * (size * tokens) ** 2),
    }


def main() -> None:
    """Measure or count, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", type=Path, nargs="*")
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 12])
    parser.add_argument("--views", type=int, default=48, help="of a set, evenly spaced")
    options = parser.parse_args()
    if not options.sets:
        for views in (100, 200, 500, 1000):
            # vggt-1b: 24 pairs of blocks of 1024 channels; 518 x 392 pixels: 28 x 37 patches.
            for name, work in counted(views, 60, 28 * 37 + 5, 24, 1024).items():
                print(f"| {views} | {name} | {work:.2f} |")
        return
    network = load_model("glance-small")
    for folder in options.sets:
        scene = photo_set(folder, network.preprocessing, options.views).scenes[0]
        for line in measure(network, scene, options.sizes):
            print(f"| {folder.name} | {len(scene.batch.names)} | {line} |", flush=True)


if __name__ == "__main__":
    main()
