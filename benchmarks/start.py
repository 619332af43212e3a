"""From a file of weights to a network: ``python -m benchmarks.start --weights FILE``.

The yardstick is to read the file once. Reading and loading take turns, so that the system's file
cache is as warm for one as for the other; medians are compared.
"""

import argparse
import statistics
import time
from pathlib import Path

from glance3d.models import load_model

BLOCK_BYTES = 2**24


def main() -> None:
    """Measure both precisions, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="vggt-1b")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    seconds: dict[str, list[float]] = {"read once": [], "float32": [], "bfloat16": []}
    for _ in range(options.repeats):
        seconds["read once"].append(read_once(options.weights))
        for precision in ("float32", "bfloat16"):
            start = time.perf_counter()
            load_model(options.model, weights=options.weights, device="cpu", precision=precision)
            seconds[precision].append(time.perf_counter() - start)
    reading = statistics.median(seconds["read once"])
    print("| | s | of reading once |\n| --- | --- | --- |")
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
