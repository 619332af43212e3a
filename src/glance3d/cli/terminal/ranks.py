"""A command that several processes run as one: the first one speaks for all of them.

Each of the others says only what ended it alone, or that another rank ended; all end with the same
exit code.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

from glance3d.cli.terminal.endings import ending_of
from glance3d.cli.terminal.stopping import Stopped
from glance3d.distributed.launch import read_launch
from glance3d.errors import InputError, RanksError

if TYPE_CHECKING:
    from glance3d.distributed.group import Group, Keys


#: Processes share the first, and run each of the others for itself. The rest is for one alone.
SHARED, EACH_FOR_ITSELF = ("reconstruct", "train"), ("batch", "models", "version", "--version")


def is_follower(command: str) -> bool:
    """Whether this is another rank than the first, of a command that is not run by each."""
    if command in EACH_FOR_ITSELF:
        return False
    try:
        return read_launch().rank > 0
    except InputError:  # said once the command asks
        return False


def is_said_here(error: BaseException, command: str) -> bool:
    """Whether this rank says what ended the command."""
    if not is_follower(command):
        return True
    if isinstance(error, Stopped):
        return any("rank" in note for note in getattr(error, "__notes__", ()))
    return isinstance(error, RanksError) and error.told_by != 0


def refuse_ranks(command: str) -> None:
    """Refuse a command that only one process can run, where there are several."""
    if command in EACH_FOR_ITSELF:
        return
    size = read_launch().size
    if size == 1:
        return
    # What torch says in C++ of a connection that ended, beside our own sentence.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
    if command not in SHARED:
        raise InputError(
            f"glance3d {command} is the work of one process, got {size}: start it without torchrun "
            "or srun"
        )


@contextmanager
def only_first_rank_speaks(command: str) -> Iterator[None]:
    """Nothing that is printed inside comes from other ranks."""
    if not is_follower(command):
        yield
        return
    with (
        open(os.devnull, "w", encoding="utf-8") as nothing,  # noqa: PTH123
        redirect_stdout(nothing),
        redirect_stderr(nothing),
    ):
        yield


@contextmanager
def joined_ranks(keys: "Keys" = "auto") -> Iterator["Group"]:
    """The group of processes that was started for this command, for as long as it runs.

    At the end the other ranks wait for the first, and end with its exit code.
    """
    from glance3d.distributed.group import Group

    with Group.from_env(keys=keys) as group:
        try:
            yield group
        except BaseException as error:
            _tell_others(group, error)
            raise
        if group.is_first:
            group.say_done(0)
        elif code := group.wait_for_first():
            raise SystemExit(code)


def _tell_others(group: "Group", error: BaseException) -> None:
    """Say to the other ranks why this one ends; raises what is to be said here instead."""
    if group.size == 1 or isinstance(error, RanksError):
        return
    # A launcher stops all ranks where one has died.
    by_launcher = isinstance(error, Stopped) and error.number != signal.SIGINT
    if by_launcher and (dead := group.silent()) is not None:
        error.add_note(str(dead))
    code, line = ending_of(error)
    line = line or "it was ended"
    group.report(code, line)
    if group.is_first or isinstance(error, KeyboardInterrupt | SystemExit):
        return
    if group.first_says_too(line):
        raise SystemExit(code) from error
    raise RanksError(f"rank {group.rank} of {group.size}: {line}", code) from error
