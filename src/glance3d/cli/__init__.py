"""The command line: ``glance3d COMMAND ...``, one module a command.

Each command's module has ``Options``, a frozen dataclass whose docstrings are the help, and
``run(options)``, which raises a ``Glance3DError`` for what it refuses. Only the module of the
command that was asked for is imported, and none imports torch before ``run``: ``--help`` answers
at once.

Exit codes: 0 done, 1 it could not be done, 2 the command was not understood, 130 interrupted.
Results go to stdout; progress, log and errors to stderr.
"""

import importlib
import inspect
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from glance3d._version import __version__
from glance3d.errors import ConfigError, Glance3DError, InputError

COMMANDS = {
    "reconstruct": "photos become cameras, depth and a point cloud",
    "scale": "give a saved scene its true size, and the world of GPS or known cameras",
    "refine": "let the photos confirm and adjust a saved scene's cameras",
    "add": "more photos for a saved scene",
    "view": "look at a saved scene in the browser",
    "export": "turn a saved scene into another format",
    "track": "follow points of any photo through all of them",
    "models": "list the known models: source, licence, commercial use",
    "train": "train a model on rendered scenes",
    "evaluate": "measure a model's cameras and depth against the truth",
    "version": "print the version",
}

EVERYWHERE = "Any command: --traceback (or GLANCE3D_TRACEBACK=1) shows where an error came from."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    show_traceback = "--traceback" in words or os.environ.get("GLANCE3D_TRACEBACK") == "1"
    words = [word for word in words if word != "--traceback"]
    try:
        with _log_to_stderr():
            _dispatch(words)
        sys.stdout.flush()
    except (
        SystemExit
    ) as stop:  # the argument parser's way to end: 0 after --help, 2 if not understood
        return stop.code if isinstance(stop.code, int) else 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output, say `head`, has seen enough
        _drop_stdout()
        return 0
    except (Glance3DError, OSError) as error:
        if show_traceback:
            traceback.print_exc()
        print(f"glance3d: {_one_line(error)}", file=sys.stderr)
        return 2 if isinstance(error, InputError | ConfigError) else 1
    return 0


def _dispatch(words: list[str]) -> None:
    command, rest = (words[0], words[1:]) if words else ("--help", [])
    if command in ("--help", "-h", "help"):
        print(top_level_help())
    elif command == "--version":
        print(f"glance3d {__version__}")
    elif command in COMMANDS:
        _run_command(command, rest)
    else:
        raise InputError(f"unknown command {command!r}; there are: {', '.join(COMMANDS)}")


def _run_command(command: str, words: list[str]) -> None:
    import tyro

    module = importlib.import_module(f"glance3d.cli.{command}")
    description = f"{inspect.cleandoc(module.Options.__doc__)}\n\n{EVERYWHERE}"
    options = tyro.cli(
        module.Options,
        prog=f"glance3d {command}",
        description=description,
        args=words,
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    module.run(options)


def top_level_help() -> str:
    """What ``glance3d --help`` prints."""
    width = max(map(len, COMMANDS))
    return "\n".join(
        [
            "usage: glance3d COMMAND ...",
            "",
            "Geometry from photos in one look: cameras, depth and points.",
            "",
            "commands:",
            *(f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items()),
            "",
            "Start with:  glance3d reconstruct PHOTOS --out SCENE",
            "glance3d COMMAND --help explains a command; glance3d --version prints the version.",
            EVERYWHERE,
        ]
    )


def _one_line(error: Glance3DError | OSError) -> str:
    """An error as one sentence, without the errno that Python puts in front."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror and not isinstance(error, Glance3DError):
        text = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(text.split()) or type(error).__name__


@contextmanager
def _log_to_stderr() -> Iterator[None]:
    """What the library logs, as plain lines on stderr, while a command runs."""
    logger = logging.getLogger("glance3d")
    handler, level = logging.StreamHandler(sys.stderr), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _drop_stdout() -> None:
    """Keep Python from complaining about the broken pipe once more when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
