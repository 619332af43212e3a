"""The many ways in which memory runs out, and what only looks like one."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from glance3d import cli
from glance3d.cli import version
from glance3d.errors import NotEnoughMemoryError
from glance3d.out_of_memory import is_out_of_memory


def _raised_by_torch() -> BaseException:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    return caught.value


def _raised_by_numpy() -> BaseException:
    with pytest.raises(MemoryError) as caught:
        np.empty(2**55)
    return caught.value


SHORTAGES = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes"),
    RuntimeError("std::bad_alloc"),
    RuntimeError("can't start new thread"),
    OSError(12, "Cannot allocate memory"),
    ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    NotEnoughMemoryError("4 views do not fit"),
]


@pytest.mark.parametrize("error", [*SHORTAGES, _raised_by_torch(), _raised_by_numpy()])
def test_a_shortage_is_recognised(error: BaseException) -> None:
    assert is_out_of_memory(error)
    wrapped = ImportError("numpy could not be imported")
    wrapped.__cause__ = error
    assert is_out_of_memory(wrapped)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes do not match"),
        ImportError("no module named x"),
        OSError(28, "No space left on device"),
        ValueError("out of memory"),
    ],
)
def test_other_errors_are_not_one(error: BaseException) -> None:
    assert not is_out_of_memory(error)


@pytest.mark.parametrize("error", SHORTAGES)
def test_a_command_says_it_in_one_sentence(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(options: version.Options) -> None:
        raise error

    monkeypatch.setattr(version, "run", fail)
    assert cli.main(["version"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("glance3d: ")


@pytest.mark.parametrize("limit", [300_000_000, 900_000_000])
def test_a_shell_that_allows_too_little_is_told(limit: int) -> None:
    """Where torch cannot even be imported, C++ would end the process without a sentence."""
    code = (
        "import resource, sys, glance3d.cli as cli;"
        f"resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}));"
        "sys.exit(cli.main(['reconstruct', 'x.jpg', '--out', '/nowhere/x', '--plan']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "ulimit -v" in done.stderr
