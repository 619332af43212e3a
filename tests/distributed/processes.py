"""Several processes of this machine that work as one group: forked from a server that is warm."""

import io
import multiprocessing
import os
import socket
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from glance3d.distributed import Group
from tests.conftest import PATIENCE

_CONTEXT = multiprocessing.get_context("forkserver" if sys.platform != "win32" else "spawn")
_PRELOADED = [
    "torch",
    "glance3d.models",
    "glance3d.training",
    "glance3d.pipeline",
    "tests.distributed.processes",
]


class Processes:
    """``work(group, *arguments)`` in every rank of a group; ``results`` waits for what it gave."""

    def __init__(
        self, size: int, work: Callable[..., Any], *arguments: Any, **options: Any
    ) -> None:
        if sys.platform != "win32":
            _CONTEXT.set_forkserver_preload(_PRELOADED)
        port = free_port()
        pairs = [_CONTEXT.Pipe(duplex=False) for _ in range(size)]
        self.pipes = [receiving for receiving, _ in pairs]
        self.processes = [
            _CONTEXT.Process(
                target=_rank,
                args=(rank, size, port, sending, work, arguments, options),
                daemon=True,
            )
            for rank, (_, sending) in enumerate(pairs)
        ]
        for process, (_, sending) in zip(self.processes, pairs, strict=True):
            process.start()
            sending.close()

    def results(self) -> list[Any]:
        """Of every rank: what it returned, the exception that it raised, or None if it died."""
        values = []
        for pipe, process in zip(self.pipes, self.processes, strict=True):
            assert pipe.poll(PATIENCE), "a rank hangs"
            try:
                values.append(torch.load(io.BytesIO(pipe.recv_bytes()), weights_only=False))
            except EOFError:
                values.append(None)
            process.join(PATIENCE)
        return values


def hasten(group: Group) -> None:
    """Look for silent ranks after seconds: to come may take as long as it likes, this may not."""
    assert group._meeting is not None
    lifeline = group._meeting.lifeline
    lifeline.timeout, lifeline.beat = 4.0, 0.4


def in_ranks(size: int, work: Callable[..., Any], *arguments: Any, **options: Any) -> list[Any]:
    """What ``work(group, *arguments)`` returned in every rank; an exception of one is raised."""
    values = Processes(size, work, *arguments, **options).results()
    for value in values:
        if isinstance(value, Exception):
            raise value
    return values


class Command:
    """``glance3d`` with some words in every rank of a group; ``prepare`` is called before it.

    ``ends`` waits, and gives every rank's exit code, standard output and standard error.
    """

    def __init__(
        self,
        size: int,
        words: list[str],
        folder: Path,
        prepare: Callable[[int], None] | None = None,
        timeout: float = PATIENCE,
    ) -> None:
        _CONTEXT.set_forkserver_preload(_PRELOADED)
        folder.mkdir(exist_ok=True)
        self.folder, port = folder, free_port()
        self.processes = [
            _CONTEXT.Process(
                target=_command, args=(rank, size, port, words, folder, prepare, timeout)
            )
            for rank in range(size)
        ]
        for process in self.processes:
            process.start()

    def ends(self) -> list[tuple[int | None, str, str]]:
        for process in self.processes:
            process.join(PATIENCE)
        return [
            (
                process.exitcode,
                (self.folder / f"{rank}.out").read_text(),
                (self.folder / f"{rank}.err").read_text(),
            )
            for rank, process in enumerate(self.processes)
        ]


def _command(
    rank: int,
    size: int,
    port: int,
    words: list[str],
    folder: Path,
    prepare: Callable[[int], None] | None,
    timeout: float,
) -> None:
    torch.set_num_threads(1)
    os.environ.update(environment(rank, size, port))
    os.environ["GLANCE3D_RANKS_TIMEOUT"] = str(timeout)
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / f"{rank}.{name}", os.O_CREAT | os.O_WRONLY), descriptor)
    if prepare is not None:
        prepare(rank)
    from glance3d.cli import main

    code = main(words)
    sys.stdout.flush()
    os._exit(code)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def environment(rank: int, size: int, port: int) -> dict[str, str]:
    """What torchrun sets."""
    return {
        "RANK": str(rank),
        "WORLD_SIZE": str(size),
        "LOCAL_RANK": str(rank),
        "LOCAL_WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def _rank(
    rank: int,
    size: int,
    port: int,
    sending: Connection,
    work: Callable[..., Any],
    arguments: tuple[Any, ...],
    options: dict[str, Any],
) -> None:
    torch.set_num_threads(1)
    os.environ.update(environment(rank, size, port))
    try:
        with Group.from_env(PATIENCE, **options) as group:
            value = work(group, *arguments)
    except Exception as error:
        traceback.print_exc()
        error.__traceback__ = None
        value = error
    buffer = io.BytesIO()
    torch.save(value, buffer)
    sending.send_bytes(buffer.getvalue())
