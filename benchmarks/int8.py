"""Would 8-bit linear layers pay? Their speed and what they cost in exactness; nothing is shipped.

    python -m benchmarks.int8 --weights vggt-1b.safetensors --photos FOLDER

Speed: the two products of VGGT-1B's perceptrons, weights quantised once per output channel and
activations per token at every call, that time included. Exactness: the network in float32 whose
aggregator's linear layers see rounded weights and activations, so nothing but the rounding differs.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.cases import CASES, Loader, random_photos, timed
from benchmarks.compare import describe_machine, nearness
from glance3d.images import load_images
from glance3d.models import VGGT, load_model
from glance3d.nn.fast import cpu as fast_cpu
from glance3d.nn.precision import Linear

TOKENS, DIM, HIDDEN = 2048, 1024, 4096
LEVELS, MIDDLE = 127, 128  # oneDNN is fast for unsigned activations only: zero is in the middle


def main() -> None:
    """Measure both, print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", type=Path, help="a file of vggt-1b")
    parser.add_argument("--photos", type=Path, help="a folder for glance-small")
    options = parser.parse_args()
    print(
        "\n".join(["# 8-bit linear layers", "", *describe_machine("cpu"), "", *speed_table()]),
        flush=True,
    )
    print("\n| network | aggregator | rotation | least correlation | largest difference |")
    print("| --- | --- | --- | --- | --- |")
    if options.weights is not None:
        loader = Loader("vggt-1b", options.weights, "cpu")
        compare(loader, random_photos(1, (518, 392), "cpu"))
    if options.photos is not None:
        network = load_model("glance-small", precision="float32")
        pixels = load_images([options.photos], preprocessing=network.preprocessing).images
        compare(Loader("glance-small", None, "cpu"), pixels)


def quantise(x: Tensor) -> tuple[Tensor, Tensor]:
    """Whole numbers of 8 bits and a factor for each row."""
    scale = x.abs().amax(-1, keepdim=True).float().clamp_min_(1e-12) / LEVELS
    return (x / scale).round_().to(torch.int8), scale


def speed_table() -> list[str]:
    """Medians of interleaved calls."""
    lines = [f"| product of {TOKENS} tokens | ms | TOP/s |", "| --- | --- | --- |"]
    for in_dim, out_dim in ((DIM, HIDDEN), (HIDDEN, DIM)):
        ways = _ways(in_dim, out_dim)
        spent: dict[str, list[float]] = {name: [] for name in ways}
        with torch.inference_mode():
            for _ in range(15):
                for name, way in ways.items():
                    start = time.perf_counter()
                    way()
                    spent[name].append(time.perf_counter() - start)
        for name, seconds in spent.items():
            median = statistics.median(seconds)
            rate = 2 * TOKENS * in_dim * out_dim / median / 1e12
            lines.append(f"| {in_dim} to {out_dim}, {name} | {1e3 * median:.1f} | {rate:.2f} |")
    return lines


def _ways(in_dim: int, out_dim: int) -> dict[str, Callable[[], Tensor]]:
    x = torch.randn(TOKENS, in_dim, dtype=torch.bfloat16)
    weight = torch.randn(out_dim, in_dim, dtype=torch.bfloat16)
    small, factor = quantise(weight)
    factor = factor.view(1, -1)
    ready, _ = quantise(x)
    turned, zeros = small.T.contiguous(), torch.zeros(out_dim, dtype=torch.int32)
    packed = torch.ops.onednn.qlinear_prepack(small, list(x.shape))

    def onednn(quantised: Tensor) -> Tensor:
        scales = (packed, factor.flatten(), zeros, None, 1.0, 0, torch.bfloat16)
        arguments = (1.0, MIDDLE, *scales, "none", [], "")
        return torch.ops.onednn.qlinear_pointwise(quantised, *arguments)

    def unsigned(quantised: Tensor) -> Tensor:
        return quantised.view(torch.uint8).bitwise_xor(MIDDLE)  # adds the middle

    def by_int_mm() -> Tensor:
        quantised, scale = quantise(x)
        return torch._int_mm(quantised, turned).mul(scale).mul_(factor).to(torch.bfloat16)

    def by_onednn() -> Tensor:
        quantised, scale = quantise(x)
        return onednn(unsigned(quantised)).mul_(scale)

    return {
        "bfloat16": lambda: fast_cpu.linear(x, weight, None),
        "8 bit, `torch._int_mm`, the product alone": lambda: torch._int_mm(ready, turned),
        "8 bit, `torch._int_mm`, with rounding": by_int_mm,
        "8 bit, oneDNN, the product alone": lambda: onednn(unsigned(ready)),
        "8 bit, oneDNN, with rounding": by_onednn,
        "rounding alone": lambda: quantise(x)[0],
    }


def rounded(x: Tensor) -> Tensor:
    """Each row rounded to 8 bits."""
    small, scale = quantise(x)
    return small.float() * scale


def round_linear_layers(network: VGGT) -> None:
    """Round the aggregator's weights now, and its activations in every forward pass."""
    for layer in network.aggregator.modules():
        if isinstance(layer, Linear):
            layer.weight = torch.nn.Parameter(rounded(layer.weight), requires_grad=False)
            layer.register_forward_pre_hook(lambda _, args: (rounded(args[0]), *args[1:]))


def compare(loader: Loader, images: Tensor) -> None:
    """One line for each precision of the aggregator's linear layers, against float32."""
    _, exact = timed(loader.runner(CASES["f32"]), images)
    _, outputs = timed(loader.runner(CASES["bf16"]), images)
    name = f"{loader.model}, {len(images)} views"
    print(f"| {name} | bfloat16 | {nearness(exact, outputs)} |", flush=True)
    round_linear_layers(loader.network("float32"))
    _, outputs = timed(loader.runner(CASES["f32"]), images)
    print(f"| {name} | 8 bit weights and activations | {nearness(exact, outputs)} |", flush=True)


if __name__ == "__main__":
    main()
