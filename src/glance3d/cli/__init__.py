"""The command line: ``glance3d COMMAND ...``, one module a command.

Each command's module has ``Options``, a frozen dataclass whose docstrings are the help and whose
groups (:mod:`glance3d.cli.options`) are its panels, and ``run(options)``, which raises a
``Glance3DError`` for what it refuses. Only the module of the
command that was asked for is imported, and none imports torch before ``run``: ``--help`` answers
at once.

Exit codes: 0 done, 1 it could not be done, 2 the command was not understood, 130 stopped by Ctrl-C,
143 by SIGTERM, 129 by SIGHUP. Of several processes that share a command (torchrun, srun) only the
first one speaks, and all end with one exit code.
Results go to stdout; progress, log and errors to stderr.
"""

import importlib
import inspect
import logging
import os
import shutil
import sys
import textwrap
import traceback
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any, NoReturn

from glance3d._version import __version__
from glance3d.cli.terminal.command_line import running
from glance3d.cli.terminal.endings import ending_of
from glance3d.cli.terminal.ranks import (
    is_follower,
    is_said_here,
    only_first_rank_speaks,
    refuse_ranks,
)
from glance3d.cli.terminal.stopping import Stopped, StopSignals
from glance3d.cli.terminal.streams import (
    StdoutError,
    drop_stdout,
    occupy_closed_descriptors,
    safe_streams,
)
from glance3d.errors import InputError, NotEnoughMemoryError, RanksError
from glance3d.log import VisibleFormatter, logging_to
from glance3d.out_of_memory import address_space_limit

COMMANDS = {
    "reconstruct": "cameras, depth and a point cloud from photos or a video",
    "batch": "the same for many scenes, on one machine or many; goes on where it stopped",
    "refine": "verify and adjust a saved scene's cameras by feature matches",
    "scale": "give a saved scene its true size, and the world of GPS or known cameras",
    "add": "add photos to a saved scene",
    "locate": "say where photos were taken, in the frame of a saved scene",
    "view": "look at a saved scene in the browser",
    "serve": "a page on which photos become scenes, and the same for programs",
    "export": "turn a saved scene into another format",
    "track": "follow points of any photo through all of them",
    "models": "list the known models: source, licence, commercial use",
    "train": "train a model on rendered scenes",
    "finetune": "train a known model on photo sets of one's own, and say whether it helped",
    "finetune check": "verify that cameras and depth of photo sets fit each other",
    "evaluate": "measure a model's cameras and depth against the truth",
    "version": "print the version",
}

LEAST_ADDRESS_SPACE = 1_000_000_000  # where PyTorch's libraries are mapped; less is aborted in C++

MAX_HELP_WIDTH = 100

EVERYWHERE = "Any command: --traceback (or GLANCE3D_TRACEBACK=1) shows where an error came from."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; without arguments, that of the process itself.

    Then nothing comes after it: a command that was stopped ends the process here, since threads of
    C++ that are still at work would end it with their own frames.
    """
    is_process = arguments is None
    if is_process:
        occupy_closed_descriptors()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with safe_streams(), StopSignals(at_exit=is_process) as signals:
            code = _exit_code_of(words, signals)
            if is_process and signals.requested is not None:
                _leave(code)
    except KeyboardInterrupt:  # in the moment before signals are listened to, or after
        return 130
    return code


def _exit_code_of(words: list[str], signals: StopSignals) -> int:
    """Run what was asked for; whatever ends it is one line and an exit code."""
    show_traceback = "--traceback" in words or os.environ.get("GLANCE3D_TRACEBACK") == "1"
    words = [word for word in words if word != "--traceback"]
    command = words[0] if words else ""
    try:
        with _log_to_stderr(is_silent=is_follower(command)):
            _dispatch(words)
        sys.stdout.flush()
    except BaseException as error:
        # Once a stop was asked for, any error is how it came through; or another rank is why.
        if signals.requested is not None and not isinstance(error, Stopped | RanksError):
            error = Stopped(signals.requested)
        if show_traceback and not isinstance(error, SystemExit):
            traceback.print_exc()
        code, line = ending_of(error)
        if line and is_said_here(error, command):
            print(f"glance3d: {line}", file=sys.stderr)
        if isinstance(error, StdoutError):
            drop_stdout()
        return code
    if signals.requested is not None:  # the viewer ends of itself
        return 128 + signals.requested
    return 0


def _leave(code: int) -> NoReturn:
    """End the process without waiting for threads."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except StdoutError:
            drop_stdout()
    os._exit(code)


def _dispatch(words: list[str]) -> None:
    command, rest = split_command(words)
    if command in ("--help", "-h", "help"):
        print(top_level_help())
    elif command == "--version":
        print(f"glance3d {__version__}")
    elif command in COMMANDS:
        _run_command(command, rest)
    else:
        raise InputError(f"unknown command {command!r}: choose from {', '.join(COMMANDS)}")


def split_command(words: list[str]) -> tuple[str, list[str]]:
    """The command, which may be of two words, and what comes after it."""
    length = 2 if " ".join(words[:2]) in COMMANDS else 1
    return " ".join(words[:length]) or "--help", words[length:]


def _run_command(command: str, words: list[str]) -> None:
    limit = address_space_limit()
    if limit is not None and limit < LEAST_ADDRESS_SPACE and "--help" not in words:
        raise NotEnoughMemoryError(
            f"this shell allows {limit / 1e9:.2f} GB of memory (ulimit -v), too little to load "
            "PyTorch: allow more"
        )
    refuse_ranks(command)
    with only_first_rank_speaks(command):
        options = parse_options(command, words)
    with running(command, words):
        _module_of(command).run(options)


def parse_options(command: str, words: list[str]) -> Any:
    """A command's ``Options`` from the words after it.

    Raises:
        SystemExit: the words ask for help (0), or are not understood (2); it was said on stderr.
    """
    import tyro

    options = _module_of(command).Options
    return tyro.cli(
        options,
        prog=f"glance3d {command}",
        description=describe_command(options),
        args=words,
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
    )


def _module_of(command: str) -> ModuleType:
    return importlib.import_module(f"glance3d.cli.{command.replace(' ', '.')}")


def describe_command(options: type) -> str:
    """A command's docstring for ``--help``, as wide as the terminal.

    tyro joins lines that begin with a letter and leaves the breaking of long ones to the terminal,
    which breaks words: so all lines of a paragraph but its first begin with a space.
    """
    width = min(shutil.get_terminal_size().columns, MAX_HELP_WIDTH)
    paragraphs = f"{inspect.cleandoc(options.__doc__ or '')}\n\n{EVERYWHERE}".split("\n\n")
    return "\n\n".join(
        text if "\n  " in f"\n{text}" else textwrap.fill(text, width, subsequent_indent=" ")
        for text in paragraphs
    )


def top_level_help() -> str:
    """What ``glance3d --help`` prints."""
    width = max(map(len, COMMANDS))
    return "\n".join(
        [
            "usage: glance3d COMMAND ...",
            "",
            "Cameras, depth and points from photos in one forward pass.",
            "",
            "commands:",
            *(f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items()),
            "",
            "Start with:  glance3d reconstruct PHOTOS --out SCENE",
            "glance3d COMMAND --help explains a command; glance3d --version prints the version.",
            EVERYWHERE,
        ]
    )


def _log_to_stderr(*, is_silent: bool) -> AbstractContextManager[None]:
    """What the library logs, as plain lines on stderr, while a command runs."""
    handler = logging.NullHandler() if is_silent else logging.StreamHandler(sys.stderr)
    handler.setFormatter(VisibleFormatter())
    return logging_to(handler)
