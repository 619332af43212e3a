"""One measurement in a process of its own, so that its peak is its own: prints JSON.

The peak is the largest resident set on a processor, and that of PyTorch's allocator on a GPU.
"""

import argparse
import json
import time
from pathlib import Path

import torch

from benchmarks.cases import CASES, Loader, outputs_of, random_photos, timed
from glance3d.models.memory.plan import plan_memory
from glance3d.models.zoo import outline_model
from glance3d.reporting.times import peak_process_memory


def main() -> None:
    """Load, run once, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=CASES, required=True)
    parser.add_argument("--model", default="vggt-1b")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--views", type=int, required=True)
    parser.add_argument("--size", type=int, nargs=2, default=(518, 392))
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    case, device = CASES[options.case], torch.device(options.device)
    start = time.perf_counter()
    run = Loader(options.model, options.weights, options.device).runner(case)
    loaded = time.perf_counter() - start
    seconds, _ = timed(run, random_photos(options.views, options.size, options.device))
    peak = peak_process_memory()
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device)
    measured = {"load_seconds": loaded, "seconds": seconds, "peak_bytes": peak}
    if not case.is_twin:
        network = outline_model(options.model, options.weights, options.device, case.precision)
        width, height = options.size
        outputs = outputs_of(case, options.model)
        plan = plan_memory(network, options.views, (height, width), outputs, device)
        measured["planned_bytes"] = plan.peak
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
