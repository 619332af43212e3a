"""``python -m tests.fuzz``: any number of inputs by hand, a table of what came of them."""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.fuzz.campaign import Campaign
from tests.fuzz.worker import GOOD


def main() -> int:
    """Read what the command line asks for; 1 if anything but results and refusals came."""
    from tests.fuzz.readers import READERS

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--reader", action="append", choices=READERS, help="default: all")
    parser.add_argument("--examples", type=int, default=200, help="inputs for each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="this one input alone")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side")
    parser.add_argument("--keep", type=Path, help="a folder for failing inputs")
    options = parser.parse_args()
    keep = options.keep or Path(tempfile.mkdtemp(prefix="glance3d-fuzz-failures-"))
    alone = options.only is not None
    campaign = Campaign(
        readers=options.reader or list(READERS),
        num_examples=1 if alone else options.examples,
        seed=options.seed,
        first=options.only if alone else 0,
        num_jobs=options.jobs,
        keep=keep.resolve(),
    )
    for outcome in campaign.run():
        if alone or not outcome.is_good:
            print(outcome, flush=True)
    print(_table(campaign.counts()))
    num_bad = sum(not outcome.is_good for outcome in campaign.outcomes)
    print(f"{len(campaign.outcomes)} inputs, {num_bad} of which ended as they must not")
    if num_bad:
        print(f"they are in {keep}")
    return int(num_bad > 0)


def _table(counts: dict[str, Counter[str]]) -> str:
    kinds = [*GOOD, *sorted({kind for row in counts.values() for kind in row} - set(GOOD))]
    width = max(map(len, counts))
    lines = [" " * width + "".join(f"{kind:>15}" for kind in kinds)]
    lines += [
        f"{reader:<{width}}" + "".join(f"{row[kind]:>15}" for kind in kinds)
        for reader, row in counts.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
