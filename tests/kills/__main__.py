"""``python -m tests.kills``: any number of kills by hand, at moments drawn by a seed."""

import argparse
import contextlib
import io
import logging
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

import torch

from tests.kills.commands import COMMANDS, prepare
from tests.kills.kill import Kill, count_steps, faults_of

_SIGNALS = (signal.SIGKILL, signal.SIGTERM)


def draw(names: Sequence[str], steps: dict[str, int], count: int, seed: int) -> list[Kill]:
    """Kills of all commands in turn; the last steps, which move files, are as likely as all."""
    random, kills = Random(seed), []
    for number in range(count):
        name = names[number % len(names)]
        first = random.choice((0, steps[name] * 3 // 4))
        step = random.randrange(first, steps[name])
        kills.append(Kill(name, random.choice(_SIGNALS), step))
    return kills


def main() -> int:
    """End commands as the command line asks for; 1 if anything was lost, mixed or left."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", action="append", choices=COMMANDS, help="default: all")
    options = parser.parse_args()
    names = options.command or list(COMMANDS)
    torch.set_num_threads(1)  # children are forked
    num_bad = 0
    with tempfile.TemporaryDirectory(prefix="glance3d-kills-") as folder:
        root = Path(folder)
        with quiet():
            prepare(root)
            steps = {name: count_steps(name, root) for name in names}
        for kill in draw(names, steps, options.kills, options.seed):
            with quiet():
                faults = faults_of(kill, root)
            num_bad += bool(faults)
            print(f"{kill} of {steps[kill.command]}: {'; '.join(faults) or 'whole'}", flush=True)
    print(f"{options.kills} kills, {num_bad} of which lost, mixed or left something")
    return int(num_bad > 0)


@contextlib.contextmanager
def quiet():
    """Nothing that commands say is shown."""
    logging.getLogger("glance3d").setLevel(logging.CRITICAL)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


if __name__ == "__main__":
    sys.exit(main())
