"""Cost of starting: ``python -m benchmarks.start``, and ``--weights FILE`` for a large network.

First the imports: processor time and modules of the package's first use, in a new process, against
``import torch`` alone. They take turns, and medians are compared.

Then, with weights, from the file to a network. The yardstick is to read the file once. Reading and
loading take turns, so that the system's file cache is as warm for one as for the other.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

BLOCK_BYTES = 2**24
USES = {
    "import torch": "import torch",
    "import glance3d": "import glance3d",
    "glance3d.reconstruct": "import glance3d; glance3d.reconstruct",
    "glance3d.load_model()": "import glance3d; glance3d.load_model()",
    "glance3d.refine": "import glance3d; glance3d.refine",
    "glance3d --help": "import glance3d.cli; glance3d.cli.main(['--help'])",
}
_MEASURE = "import sys, time; {}; print(time.process_time(), len(sys.modules), file=sys.stderr)"


def main() -> None:
    """Measure both, print tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="vggt-1b")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print_imports(options.repeats)
    if options.weights is not None:
        print_loading(options.model, options.weights, options.repeats)


def print_imports(repeats: int) -> None:
    """Processor time of each use, as a ratio to torch's, and how many modules it loads."""
    seconds: dict[str, list[float]] = {name: [] for name in USES}
    modules = {}
    for _ in range(repeats):
        for name, code in USES.items():
            spent, modules[name] = first_use(code)
            seconds[name].append(spent)
    yardstick = statistics.median(seconds["import torch"])
    print("| | modules | processor s | of import torch |\n| --- | --- | --- | --- |")
    for name, times in seconds.items():
        spent = statistics.median(times)
        print(f"| `{name}` | {modules[name]} | {spent:.2f} | {spent / yardstick:.2f} |")


def first_use(code: str) -> tuple[float, int]:
    """Processor seconds and loaded modules of a process that runs this alone."""
    command = [sys.executable, "-c", _MEASURE.format(code)]
    stderr = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    spent, modules = stderr.splitlines()[-1].split()
    return float(spent), int(modules)


def print_loading(model: str, weights: Path, repeats: int) -> None:
    """Seconds from a file to a network, in both precisions."""
    from glance3d.models import load_model

    seconds: dict[str, list[float]] = {"read once": [], "float32": [], "bfloat16": []}
    for _ in range(repeats):
        seconds["read once"].append(read_once(weights))
        for precision in ("float32", "bfloat16"):
            start = time.perf_counter()
            load_model(model, weights=weights, device="cpu", precision=precision)
            seconds[precision].append(time.perf_counter() - start)
    reading = statistics.median(seconds["read once"])
    print("\n| | s | of reading once |\n| --- | --- | --- |")
    for name, times in seconds.items():
        spent = statistics.median(times)
        print(f"| {name} | {spent:.2f} | {spent / reading:.2f} |")


def read_once(path: Path) -> float:
    """Seconds to read all of a file into one buffer."""
    buffer = bytearray(BLOCK_BYTES)
    start = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
