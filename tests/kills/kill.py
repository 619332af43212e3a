"""One command, ended at one of its steps on the disk, and what must hold afterwards."""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from glance3d.cli import main
from glance3d.results import MANIFEST_FILE, read_manifest, settle
from tests.kills.commands import COMMANDS, Command, run

# Every change of a disk begins with one of these of Python's audit events.
_STEPS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link")
_NOTES = {"notes.txt": "mine", "more/notes.txt": "mine as well"}


@dataclass(frozen=True)
class Kill:
    """Which command is ended how, just before which of its steps (counted from 0)."""

    command: str
    signal: signal.Signals
    step: int

    def __str__(self) -> str:
        return f"{self.command} {self.signal.name} {self.step}"


def count_steps(name: str, root: Path) -> int:
    """How many steps a command takes when nobody ends it."""
    _before(COMMANDS[name], root)
    reader, writer = os.pipe()
    _in_child(lambda: _count_and_run(COMMANDS[name].new(root), writer))
    os.close(writer)
    with os.fdopen(reader) as pipe:
        return int(pipe.read())


def faults_of(kill: Kill, root: Path) -> list[str]:
    """What does not hold after a kill; ``root`` was made by :func:`prepare`."""
    command, out = COMMANDS[kill.command], root / "out"
    _before(command, root)
    old, first = _content(out), command.version(out)
    code = _in_child(lambda: _end_at(kill, command.new(root)))
    faults = _faults_of_end(kill, code)
    settle(out)
    remaining = _content(out)
    faults += _faults_of_result(out, remaining)
    if any(remaining[path] != text for path, text in old.items() if path in _NOTES):
        faults.append("what is not ours was changed")
    ended = command.version(out)
    run(command.new(root))
    if not first <= ended <= command.version(out):
        faults.append(f"neither the old result nor the new, but {ended}")
    strangers = _content(out).keys() - _named(out) - _NOTES.keys() - {MANIFEST_FILE}
    return faults + [f"{path} is left after the next run" for path in sorted(strangers)]


def _before(command: Command, root: Path) -> None:
    """The earlier result, and files of the user's beside it."""
    out, kept = root / "out", root / f"kept {id(command)}"
    shutil.rmtree(out, ignore_errors=True)
    if not kept.is_dir():
        run(command.old(root))
        for path, text in _NOTES.items():
            (out / path).parent.mkdir(exist_ok=True)
            (out / path).write_text(text)
        shutil.copytree(out, kept)
    else:
        shutil.copytree(kept, out)


def _faults_of_end(kill: Kill, code: int) -> list[str]:
    """A run that was asked to stop says so by its exit code; nobody ends by another signal."""
    allowed = {0, -kill.signal} if kill.signal == signal.SIGKILL else {0, 143, 130, -kill.signal}
    return [] if code in allowed else [f"the command ended with {code}"]


def _faults_of_result(out: Path, remaining: dict[str, bytes]) -> list[str]:
    """Everything that the manifest names is there and whole; what it does not is hidden."""
    manifest = read_manifest(out)
    if manifest is None or manifest.move is not None:
        return ["the folder has no manifest, or an unfinished one"]
    # A log that nothing was written to yet is named already: it begins with no bytes.
    promised = {path for path, file in manifest.files.items() if file.size == 0} - remaining.keys()
    broken = [
        path
        for path, file in manifest.files.items()
        if path not in promised and not file.matches(out / path)
    ]
    shown = {
        path for path in remaining if not any(part.startswith(".") for part in Path(path).parts)
    }
    mixed = sorted(shown - manifest.files.keys() - _NOTES.keys())
    return [f"{path} is not whole" for path in broken] + [f"{path} is of another" for path in mixed]


def _named(out: Path) -> set[str]:
    manifest = read_manifest(out)
    return set() if manifest is None else set(manifest.files)


def _content(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _in_child(work: Callable[[], None]) -> int:
    """Run in a process of its own, silently; its exit code, negative for a signal."""
    child = os.fork()
    if child == 0:
        # PyTorch makes its pool of threads anew after a fork, and fails when two threads do it.
        torch.set_num_threads(1)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        try:
            work()
        finally:
            os._exit(99)  # work exits by itself
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _count_and_run(words: list[str], writer: int) -> None:
    steps = [0]

    def count(event: str, _: tuple) -> None:
        steps[0] += event in _STEPS

    sys.addaudithook(count)
    code = main(words)
    os.write(writer, str(steps[0]).encode())
    os._exit(code)


def _end_at(kill: Kill, words: list[str]) -> None:
    """Run a command that ends itself; a signal comes to the main thread, as from outside."""
    steps_to_go = [kill.step]

    def end(event: str, _: tuple) -> None:
        if event in _STEPS:
            steps_to_go[0] -= 1
            if steps_to_go[0] == -1:
                os.kill(os.getpid(), kill.signal)

    sys.addaudithook(end)
    os._exit(main(words))
