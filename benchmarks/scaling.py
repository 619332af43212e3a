"""Time and memory against views: ``python -m benchmarks.scaling --weights FILE --views 1 2 4``.

Each number of views runs in a process of its own. The exponent of time is
fitted in the logarithms; the slope is memory per further view.
"""

import argparse
import math
import statistics
from pathlib import Path

from benchmarks.cases import CASES
from benchmarks.compare import describe_machine, measure_alone


def main() -> None:
    """Measure, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="vggt-1b")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--case", choices=CASES, default="bf16")
    parser.add_argument("--views", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--size", type=int, nargs=2, default=(518, 392))
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    print("\n".join(describe_machine(options.device)))
    print("\n| views | s | peak GB | planned GB |\n| --- | --- | --- | --- |")
    times, peaks = [], []
    for views in options.views:
        measured = measure_alone(options.case, views, options)
        times.append(measured["seconds"])
        peaks.append(measured["peak_bytes"])
        planned = measured.get("planned_bytes", math.nan) / 1e9
        print(f"| {views} | {times[-1]:.2f} | {peaks[-1] / 1e9:.3f} | {planned:.3f} |", flush=True)
    if len(times) > 1:
        logs = [[math.log(x) for x in series] for series in (options.views, times)]
        exponent = statistics.linear_regression(*logs).slope
        slope = statistics.linear_regression(options.views, peaks).slope
        print(f"\ntime grows as views^{exponent:.2f}; {slope / 1e6:.0f} MB a view")


if __name__ == "__main__":
    main()
