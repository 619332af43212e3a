"""One forward pass shared by several ranks, with random weights and pixels.

``torchrun --nproc-per-node 8 -m benchmarks.ranks --model vggt-1b --views 100 --keys ring``; without
torchrun, one process: the yardstick. Rank 0 prints a row: the seconds of the slowest rank, best of
some passes, and on GPUs the most memory of a rank beside its plan.
"""

import argparse
import time

import torch

from glance3d.distributed import Group
from glance3d.models import Network, build_model
from glance3d.models.memory.plan import plan_memory
from glance3d.models.zoo import network_config
from glance3d.nn.precision import set_matmul_precision


def main() -> None:
    """Measure, and print one row of a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="vggt-1b")
    parser.add_argument("--views", type=int, default=16)
    parser.add_argument("--size", type=int, nargs=2, default=(392, 518), metavar=("H", "W"))
    parser.add_argument("--keys", choices=("gathered", "ring"), default="gathered")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with Group.from_env(keys=options.keys) as group:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(0)
        network = build_model(network_config(options.model), device=str(device)).eval()
        if device.type == "cuda":
            for part in network.large_products:
                set_matmul_precision(part, torch.bfloat16)
        size = tuple(options.size)
        images = torch.rand(options.views, 3, *size).to(device)
        seconds = min(_seconds(network, images, group) for _ in range(options.repeats))
        peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else 0
        (most,) = group.most(float(peak))
        plan = plan_memory(
            network, options.views, size, ("camera", "depth"), device, group=group
        ).pass_peak
        if group.is_first:
            print(
                f"| {options.model} | {options.views} | {group.size} | {options.keys} "
                f"| {seconds:.2f} s | {most / 1e9:.2f} GB | planned {plan / 1e9:.2f} GB |"
            )


def _seconds(network: Network, images: torch.Tensor, group: Group) -> float:
    """Of one pass, by the slowest rank."""
    group.wait_for_all()
    start = time.perf_counter()
    with torch.inference_mode():
        network(images, outputs=("camera", "depth"))
    if images.is_cuda:
        torch.cuda.synchronize()
    (slowest,) = group.most(time.perf_counter() - start)
    return slowest


if __name__ == "__main__":
    main()
