"""Which fast paths this machine uses, and their gain: ``python -m benchmarks.fast_paths``.

First the table of :mod:`glance3d.nn.fast.paths` after trying every kind of a large network, then
parts of ``vggt-1b`` at full width beside the plain twin of the published design and beside the same
parts with ``GLANCE3D_FAST=off``. The parts run in turn, the fastest of several runs counts; with
one thread its own processor time is counted, so that other programs do not disturb. An older
processor: ``ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2``, or ``SSE41`` and ``default``.
"""

import argparse
import os
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.compare import describe_machine
from benchmarks.twin import Twin
from glance3d.models import VGGT, build_model
from glance3d.models.config import vggt_1b
from glance3d.nn.fast import cpu as fast_cpu
from glance3d.nn.fast import paths as fast_paths
from glance3d.nn.fast.trial import clock_for
from glance3d.nn.inference import predict_block_
from glance3d.nn.rope import build_rope_table

ROWS, COLUMNS, SPECIAL, CPU = 28, 37, 5, torch.device("cpu")
#: How often a part is in the whole network.
COUNTS = {"embedding block": 24, "frame block": 24, "global block": 24, "dense head": 2}
SETTINGS = ("on", "off")

Parts = dict[str, tuple[Callable[[], object], Callable[[], object]]]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--views", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print("\n".join([*describe_machine("cpu"), _emulated(), ""]), flush=True)
    try_all()
    print("\n".join(table_of_choices()), flush=True)
    for views in options.views:
        print("\n".join(["", *table_of_parts(views, options.rounds)]), flush=True)


def _emulated() -> str:
    names = ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")
    held = [f"{name}={os.environ[name]}" for name in names if name in os.environ]
    capability = torch.backends.cpu.get_cpu_capability()
    return f"- PyTorch's kernels for {capability}; {', '.join(held) or 'nothing is held back'}"


def try_all() -> None:
    """Try every kind that prediction by ``vggt-1b`` needs, at both precisions."""
    with torch.inference_mode():
        for dtype in (torch.float32, torch.bfloat16):
            for tokens in (4, 1041):
                x = torch.zeros(tokens, 1024, dtype=dtype)
                for gelu in (False, True):
                    fast_cpu.linear(x, x.new_zeros(1024, 1024), None, gelu)
            fast_cpu.convolution_path(dtype)
            for keys in (1041, 10 * 1041):
                fast_cpu.attends_in_blocks(1041, keys, 64, dtype)
        fast_cpu.has_fast_bfloat16()


def table_of_choices() -> list[str]:
    """What was chosen, by how much each path is faster than the plain steps, and what it lacks."""
    lines = ["| operation | kind | dtype | path | times as fast as plain |", "| --- " * 5 + "|"]
    for choice in fast_paths.current().describe():
        ratios = [f"{path} {ratio:.2f}" for path, ratio in choice["speedups"].items()]
        missing = [path for path in choice["reasons"] if path not in choice["speedups"]]
        ratios += [f"{path} does not run or is wrong" for path in missing]
        words = [choice[name] for name in ("operation", "kind", "dtype", "path")]
        lines.append(f"| {' | '.join(words)} | {', '.join(ratios)} |")
    return lines


def table_of_parts(views: int, rounds: int) -> list[str]:
    """Seconds of parts, and ratios to the twin; the sum is that of a whole network."""
    lines = [
        f"| {views} views of 518 x 392, float32 | twin, s | ours, s | plain, s | ours | plain |",
        "| --- " * 6 + "|",
    ]
    totals = dict.fromkeys(("twin", *SETTINGS), 0.0)
    for name, (twin, ours) in build_parts(views).items():
        seconds = fastest(twin, ours, rounds)
        for key, value in seconds.items():
            totals[key] += COUNTS[name] * value
        lines.append(_line(f"{name} (of {COUNTS[name]})", seconds))
    return [*lines, _line("all of them", totals)]


def _line(name: str, seconds: dict[str, float]) -> str:
    twin = seconds["twin"]
    numbers = [f"{seconds[key]:.2f}" for key in ("twin", *SETTINGS)]
    ratios = [f"{twin / seconds[key]:.2f}" for key in SETTINGS]
    return f"| {name} | {' | '.join([*numbers, *ratios])} |"


def fastest(
    twin: Callable[[], object], ours: Callable[[], object], rounds: int
) -> dict[str, float]:
    """Of the twin, of ours as chosen and of ours by the plain steps, in turn."""
    clock = clock_for(CPU)
    before = os.environ.get(fast_paths.VARIABLE)
    spent: dict[str, list[float]] = {name: [] for name in ("twin", *SETTINGS)}
    with torch.inference_mode():
        for _ in range(1 + rounds):  # the first warms up
            for name, times in spent.items():
                os.environ[fast_paths.VARIABLE] = "on" if name == "twin" else name
                start = clock()
                (twin if name == "twin" else ours)()
                times.append(clock() - start)
    os.environ[fast_paths.VARIABLE] = before or "on"
    return {name: min(times[1:]) for name, times in spent.items()}


def build_parts(views: int) -> Parts:
    """Blocks and one dense head of both networks, on the same weights and tokens."""
    network, twin = build_networks()
    tokens = torch.randn(views, ROWS * COLUMNS + SPECIAL, network.config.embed_dim)
    grid = torch.cartesian_prod(torch.arange(ROWS), torch.arange(COLUMNS)) + 1
    places = torch.cat([grid.new_zeros(SPECIAL, 2), grid]).expand(views, -1, -1)
    rope = build_rope_table((ROWS, COLUMNS), SPECIAL, 64, 100.0, CPU)
    ours, theirs = network.aggregator, twin.aggregator
    scene, scene_places = tokens.flatten(0, 1)[None], places.flatten(0, 1)[None]
    return {
        "embedding block": (
            lambda: theirs.patch_embed.blocks[0](tokens),
            lambda: predict_block_(ours.patch_embed.blocks[0], tokens.clone()),
        ),
        "frame block": (
            lambda: theirs.frame_blocks[0](tokens, places, 100.0),
            lambda: predict_block_(ours.frame_blocks[0], tokens.clone(), rope),
        ),
        "global block": (
            lambda: theirs.global_blocks[0](scene, scene_places, 100.0),
            lambda: predict_block_(ours.global_blocks[0], scene.clone(), rope),
        ),
        "dense head": dense_heads(network, twin, views),
    }


def dense_heads(
    network: VGGT, twin: Twin, views: int
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Depth from four layers of tokens."""
    head, size = network.depth_head, (14 * ROWS, 14 * COLUMNS)
    assert head is not None
    layers = torch.randn(views, SPECIAL + ROWS * COLUMNS, 2 * network.config.embed_dim)
    images = torch.rand(views, 3, *size)

    def predict() -> Tensor:
        patches = layers[:, SPECIAL:]
        levels = [
            head.features.project(level, patches, (ROWS, COLUMNS), COLUMNS / ROWS)
            for level in range(4)
        ]
        return head(levels, size, (ROWS, COLUMNS))[0]

    return lambda: twin.depth_head([layers], images, 14), predict


def build_networks() -> tuple[VGGT, Twin]:
    """Both of one block of each kind, at full width."""
    config = vggt_1b()
    shallow = {"layers": (0, 0, 0, 0)}
    assert config.depth is not None
    assert config.points is not None
    config = replace(
        config,
        patch_embed=replace(config.patch_embed, depth=1),
        aggregator=replace(config.aggregator, depth=1),
        depth=replace(config.depth, **shallow),
        points=replace(config.points, **shallow),
        tracks=None,
    )
    network = build_model(config).eval().requires_grad_(False)
    twin = Twin(config).eval().requires_grad_(False)
    state = network.state_dict()
    twin.load_state_dict({name: state[name] for name in twin.state_dict()})
    return network, twin


if __name__ == "__main__":
    main()
