"""Where the time goes, by stage: ``python -m benchmarks.stages --weights FILE --views 4``."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from benchmarks.cases import CASES, Loader, random_photos, timed
from glance3d.models import VGGT
from glance3d.nn import inference
from glance3d.nn.attention import SelfAttention
from glance3d.nn.mlp import Mlp


class Stopwatch:
    """Adds up the time inside modules and methods; an inner one's is also its outer one's."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def watch(self, owner: object, method: str, name: str | Callable[..., str]) -> None:
        """Replace a function of an object, class or module by one that is timed.

        ``name`` is what its time counts for, or says so of the function's arguments.
        """
        real = getattr(owner, method)

        def watched(*args, **kwargs):
            start = time.perf_counter()
            try:
                return real(*args, **kwargs)
            finally:
                spent = time.perf_counter() - start
                key = name if isinstance(name, str) else name(*args)
                self.seconds[key] = self.seconds.get(key, 0.0) + spent

        setattr(owner, method, watched)


def watch_stages(network: VGGT, watch: Stopwatch) -> None:
    """The parts that a reader of the paper knows."""
    aggregator = network.aggregator
    watch.watch(aggregator, "embed", "patch embedding")
    kinds = {block: "frame blocks" for block in aggregator.frame_blocks}
    kinds |= {block: "global blocks" for block in aggregator.global_blocks}
    in_embedding = "of which blocks of the patch embedding"
    watch.watch(inference, "predict_block_", lambda block, *_: kinds.get(block, in_embedding))
    heads: dict[str, nn.Module | None] = {
        "camera head": network.camera_head,
        "depth head": network.depth_head,
        "point head": network.point_head,
    }
    for name, head in heads.items():
        if head is not None:
            watch.watch(head, "forward", name)
    watch.watch(SelfAttention, "attend", "of which attention's softmax and its two products")
    watch.watch(SelfAttention, "project_qkv", "of which queries, keys, values, norms, rotation")
    watch.watch(Mlp, "forward", "of which perceptrons")


def main() -> None:
    """Run once to warm up, once to count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="vggt-1b")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--case", choices=[k for k in CASES if "twin" not in k], default="bf16")
    parser.add_argument("--views", type=int, default=1)
    parser.add_argument("--size", type=int, nargs=2, default=(518, 392))
    options = parser.parse_args()
    loader, case = Loader(options.model, options.weights, "cpu"), CASES[options.case]
    run = loader.runner(case)
    images = random_photos(options.views, options.size, "cpu")
    timed(run, images)
    watch = Stopwatch()
    watch_stages(loader.network(case.precision), watch)
    total, _ = timed(run, images)
    print(f"{case.title}, {options.views} views, {torch.get_num_threads()} threads: {total:.2f} s")
    for name, seconds in watch.seconds.items():
        print(f"{name:55} {seconds:8.2f} s {seconds / total:5.0%}")


if __name__ == "__main__":
    main()
