"""The blocks of Python and of shell that pages show, run as a reader would run them."""

import contextlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glance3d import cli
from tests.docs.pages import ROOT, SHELL, fences_of

#: What makes the environment that the tests have already.
INSTALLING = ("pip install", "python -m venv", ". .venv/bin/activate", "make ")


@dataclass(frozen=True)
class Block:
    """One block of a page; ``parts`` are what runs at once: a command, or all of the Python."""

    language: str
    parts: tuple[str, ...]


def blocks_of(text: str) -> Iterator[Block]:
    """The blocks that can be run, in the page's order."""
    for language, code in fences_of(text):
        if language == "python":
            yield Block(language, (code,))
        elif language in SHELL:
            yield Block(language, tuple(_commands_of(code)))


def _commands_of(code: str) -> Iterator[str]:
    """Whole commands: with their further lines, with texts up to ``END``, loops to their end."""
    if code.startswith("#!"):
        yield code
        return
    open_until, lines = "", []
    for line in code.replace("\\\n", " ").splitlines():
        lines.append(line)
        if not open_until:
            open_until = "done" if line.startswith("for ") else "END" if "<<'END'" in line else ""
        elif line.startswith(open_until):
            open_until = ""
        if not open_until:
            command = "\n".join(lines)
            if command.strip() and not command.startswith("#"):
                yield command
            lines = []


def run_python(code: str, names: dict[str, Any]) -> None:
    """What the page's blocks before it have defined is in ``names``."""
    exec(compile(code, "a block of the page", "exec"), names)


def run_command(command: str, folder: Path) -> str:
    """``glance3d`` in this process, which has the network's libraries loaded; all else in a shell.

    Gives what the shell printed.
    """
    words = shlex.split(command, comments=True)
    if words[:1] == ["glance3d"] and not set(words) & {"&&", "||", "|", ";", "&", ">"}:
        found = [sorted(map(str, folder.glob(word))) if "*" in word else [word] for word in words]
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = cli.main([word for group in found[1:] for word in group])
        assert code == 0, command
        return said.getvalue()
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@contextlib.contextmanager
def started(command: str, folder: Path) -> Iterator[str]:
    """A command that goes on until Ctrl-C, which ends it after the block: its port."""
    server = subprocess.Popen(
        shlex.split(command, comments=True),
        cwd=folder,
        env={**_environment(), "BROWSER": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Programs that run in the background of a script ignore Ctrl-C, and so do their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    said = []
    try:
        for line in server.stdout or ():
            said.append(line)
            if address := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                yield address[1]
                break
        else:
            raise AssertionError(f"{command}\n{''.join(said)}")
    finally:
        server.send_signal(signal.SIGINT)
        rest, _ = server.communicate()
    assert server.returncode in (0, 130), f"{command}\n{''.join(said)}{rest}"


def _environment() -> dict[str, str]:
    """A shell's: with this environment's commands and this checkout's modules."""
    folders = [str(Path(sys.executable).parent), os.environ["PATH"]]
    paths = [str(ROOT / "src"), str(ROOT)]
    found = {"PATH": os.pathsep.join(folders), "PYTHONPATH": os.pathsep.join(paths)}
    return {**os.environ, **found}
