"""Speed, memory and exactness of Glance3D against the twin of the published design, in one run.

    python -m benchmarks.compare --weights vggt-1b.safetensors --views 1 4 10
    python -m benchmarks.compare --model da3-small --make-weights da3_small.safetensors \\
        --size 504 378 --views 1 4 10 50 --repeats 5 3 3 1 --most-twin-views 10 --memory

Without a file of weights, ``--make-weights FILE`` first writes one of full size by the tests'
golden recipe: speed and memory do not depend on the values. Every repetition runs all cases one
after the other, so that other load of the machine affects all of them; medians are compared.
``--repeats 3 2 1`` repeats many views less often, ``--most-twin-views`` leaves the twin out of
large ones. Memory is measured in a process per case. The table is printed, and written to
``benchmarks/results`` after every repetition. The twin of Depth Anything 3 always computes rays, as
published; a large rotation there means that rounding chose another reference view.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.cases import CASES, Loader, random_photos, timed, wait_for
from benchmarks.da3_weights import SIZES as DA3_SIZES
from benchmarks.da3_weights import write_published_file
from glance3d.files.atomic import atomic_file
from glance3d.geometry.rotations import rotation_angle, rotation_from_quat_xyzw
from glance3d.models.zoo import PRECISIONS
from glance3d.nn.fast.attention_backend import attention_backend
from glance3d.nn.precision import product

CAMERAS = ("pose_enc", "extrinsics", "intrinsics")
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure what was asked for, and write it down."""
    options = _options()
    if options.make_weights is not None:
        make_weights(options.model, options.make_weights)
        options.weights = options.make_weights
    path = options.out or RESULTS / f"{_now().replace(':', '')}.md"
    loader = Loader(options.model, options.weights, options.device)
    for key in options.cases:  # fetches the weights from the disk, and wakes the machine
        timed(loader.runner(CASES[key]), random_photos(1, options.size, options.device))
    lines = [f"# {_now()}", "", *describe_machine(options.device), ""]
    for views, repeats in zip(options.views, options.repeats, strict=True):
        table: list[str] = []
        for table in compare_time(loader, views, repeats, options):
            _write(path, [*lines, *table])  # so that a run that is stopped has said what it knew
        lines += [*table, ""]
    del loader
    if options.memory:
        lines += [*compare_memory(options), ""]
        _write(path, lines)
    print("\n".join(lines))


def _write(path: Path, lines: list[str]) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text("\n".join(lines), encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="vggt-1b")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--make-weights", type=Path, metavar="FILE")
    parser.add_argument("--views", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--size", type=int, nargs=2, default=(518, 392), metavar=("W", "H"))
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument(
        "--repeats",
        type=int,
        nargs="+",
        default=[3],
        help="one for all, or one for each of --views",
    )
    parser.add_argument("--most-twin-views", type=int, default=1_000_000, metavar="VIEWS")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--memory", action="store_true", help="also measure memory")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if len(options.repeats) == 1:
        options.repeats = options.repeats * len(options.views)
    if len(options.repeats) != len(options.views):
        parser.error("--repeats takes one number, or as many as --views")
    return options


def compare_time(
    loader: Loader, views: int, repeats: int, options: argparse.Namespace
) -> Iterator[list[str]]:
    """A table after each repetition: medians, ratios to the first case, nearness to its numbers."""
    images = random_photos(views, options.size, options.device)
    cases = _cases_of(views, options)
    seconds: dict[str, list[float]] = {key: [] for key in cases}
    outputs: dict[str, dict[str, Tensor]] = {}
    for repeat in range(1, repeats + 1):
        for key in cases:
            spent, outputs[key] = timed(loader.runner(CASES[key]), images)
            seconds[key].append(spent)
            _say(f"{views} views, {CASES[key].title}: {seconds[key][-1]:.2f} s")
        yield _time_table(views, repeat, seconds, outputs, options)


def _cases_of(views: int, options: argparse.Namespace) -> list[str]:
    with_twin = views <= options.most_twin_views
    return [key for key in options.cases if with_twin or not CASES[key].is_twin]


def _time_table(
    views: int,
    repeats: int,
    seconds: dict[str, list[float]],
    outputs: dict[str, dict[str, Tensor]],
    options: argparse.Namespace,
) -> list[str]:
    medians = {key: statistics.median(times) for key, times in seconds.items()}
    first = next(iter(medians))
    twin = "twin-bf16" if "twin-bf16" in medians else first
    width, height = options.size
    lines = [
        f"## {views} views of {width} x {height}, medians of {repeats}",
        "",
        f"| | s | x {first} | x {twin} | rotation | least correlation | largest difference |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for key, spent in medians.items():
        ratios = f"{medians[first] / spent:.2f} | {medians[twin] / spent:.2f}"
        lines.append(
            f"| {CASES[key].title} | {spent:.2f} | {ratios} "
            f"| {nearness(outputs[first], outputs[key])} |"
        )
    return lines


def _say(line: str) -> None:
    """Report the results so far: a whole run takes long."""
    print(line, file=sys.stderr, flush=True)


def nearness(exact: dict[str, Tensor], approximate: dict[str, Tensor]) -> str:
    """The largest rotation, the least correlation and the largest difference of all outputs."""
    names = [name for name in exact if name in approximate and name not in CAMERAS]
    pairs = [torch.stack([exact[n].flatten(), approximate[n].flatten()]).double() for n in names]
    least = min(float(torch.corrcoef(pair)[0, 1]) for pair in pairs)
    largest = max(float((pair[0] - pair[1]).abs().max() / pair[0].abs().max()) for pair in pairs)
    degrees = torch.rad2deg(rotation_angle(_rotations(exact), _rotations(approximate))).max()
    return f"{degrees:.3f} deg | {least:.6f} | {largest:.1e}"


def _rotations(outputs: dict[str, Tensor]) -> Tensor:
    if "extrinsics" in outputs:
        return outputs["extrinsics"][..., :3].double()
    return rotation_from_quat_xyzw(outputs["pose_enc"][..., 3:7].double())


def compare_memory(options: argparse.Namespace) -> list[str]:
    """One table: the peak of every case and number of views, and what was planned."""
    lines = [
        "## Memory, by the operating system's count",
        "",
        "| | views | peak GB | of the first | planned GB | planned / peak | load s |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for views in options.views:
        first = None
        for key in _cases_of(views, options):
            measured = measure_alone(key, views, options)
            peak, planned = measured["peak_bytes"], measured.get("planned_bytes")
            first = first or peak
            plan = f"{planned / 1e9:.2f} | {planned / peak:.2f}" if planned else " | "
            lines.append(
                f"| {CASES[key].title} | {views} | {peak / 1e9:.2f} | {peak / first:.2f} | {plan} "
                f"| {measured['load_seconds']:.1f} |"
            )
    return lines


def measure_alone(key: str, views: int, options: argparse.Namespace) -> dict[str, Any]:
    """``benchmarks.memory`` in a process of its own."""
    words = ["--case", key, "--views", str(views), "--model", options.model]
    words += ["--device", options.device, "--size", *map(str, options.size)]
    words += ["--weights", str(options.weights)] if options.weights else []
    command = [sys.executable, "-m", "benchmarks.memory", *words]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def describe_machine(device: str) -> list[str]:
    """What a reader must know to compare with another machine."""
    capabilities = torch.cpu.get_capabilities()
    units = [name for name in ("avx512_bf16", "amx_bf16") if capabilities.get(name)]
    name = (
        torch.cuda.get_device_name() if device.startswith("cuda") else capabilities.get("cpu_name")
    )
    backends = [
        f"{attention_backend(torch.device(device), dtype, 64)} in {precision}"
        for precision, dtype in PRECISIONS.items()
    ]
    return [
        f"- {name or platform.processor()}, {torch.get_num_threads()} threads",
        f"- {platform.platform()}",
        f"- torch {torch.__version__}, Python {platform.python_version()}",
        f"- bfloat16 units: {', '.join(units) or 'none'}; attention: {', '.join(backends)}",
        f"- large products reach {_rate(torch.float32, device):.2f} TFLOP/s in float32 and "
        f"{_rate(torch.bfloat16, device):.2f} in bfloat16: what precision alone can win is their "
        "quotient",
    ]


def _rate(dtype: torch.dtype, device: str) -> float:
    """Of a perceptron's first product of VGGT-1B, 2048 tokens at once, in TFLOP/s: the best."""
    tokens, dim, hidden = 2048, 1024, 4096
    x = torch.randn(tokens, dim, device=device, dtype=dtype)
    weight = torch.randn(hidden, dim, device=device, dtype=dtype)
    seconds = []
    with torch.inference_mode():
        for _ in range(20):
            wait_for(x.device)
            start = time.perf_counter()
            product(x, weight, None)
            wait_for(x.device)
            seconds.append(time.perf_counter() - start)
    return 2 * tokens * dim * hidden / min(seconds) / 1e12


def make_weights(model: str, path: Path) -> None:
    """A file of full size with published names by the golden recipe (``vggt-1b``: 5 GB)."""
    if model in DA3_SIZES:
        write_published_file(model, path)
        return
    from safetensors.torch import save_file
    from tests.golden_weights import golden_tensor

    from glance3d.models.weights.remap import published_from_name
    from glance3d.models.zoo import outline_model

    state = outline_model(model, device="cpu").state_dict()
    names = {published_from_name(name): tuple(tensor.shape) for name, tensor in state.items()}
    with atomic_file(path) as temporary:
        save_file({name: golden_tensor(name, shape) for name, shape in names.items()}, temporary)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").removesuffix("+00:00")


if __name__ == "__main__":
    main()
