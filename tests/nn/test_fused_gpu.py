"""Fused steps of a GPU: what can be said of them without one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from glance3d.nn.fast import gpu as fused_gpu
from glance3d.nn.rope import apply_rope, build_rope_table

CPU = torch.device("cpu")
HERE = Path(__file__).parent


def run_apart(*words: str, **environment: str) -> str:
    """In a process of its own: Triton is either interpreted or compiled, from its import on."""
    pytest.importorskip("triton", reason="Triton is not installed: PyTorch for GPUs brings it")
    done = subprocess.run(
        [sys.executable, *words], env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_kernels_in_the_interpreter() -> None:
    file = str(HERE / "interpreted_kernels.py")
    run_apart("-m", "pytest", "-q", "--no-header", file, TRITON_INTERPRET="1")


def test_kernels_compile() -> None:
    lines = run_apart(str(HERE / "compile_kernels.py"), TRITON_INTERPRET="0").splitlines()
    assert len(lines) == 4
    assert all(int(line.split()[-1]) > 1000 for line in lines)


def test_plain_steps_are_the_rotation_of_the_network() -> None:
    table = build_rope_table((2, 3), 1, 16, 100.0, CPU)
    x, norm = torch.randn(14, 4, 16), (torch.randn(16), torch.randn(16), 1e-6)
    rotated = fused_gpu.plain_norm_and_rotate(x, norm, (table.wide_cos, table.wide_sin))
    exact = F.layer_norm(x, (16,), *norm).transpose(0, 1)[None]
    torch.testing.assert_close(rotated, apply_rope(exact, table)[0].transpose(0, 1))


def test_a_processor_has_no_kernels() -> None:
    assert fused_gpu.kernels_for(CPU) is None
