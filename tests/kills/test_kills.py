"""A handful of ``python -m tests.kills``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_command_that_is_ended_leaves_the_old_result_or_the_new() -> None:
    """In a fresh process, which forks."""
    which = ["--command", "windows", "--command", "export", "--kills", "4", "--seed", "0"]
    command = [sys.executable, "-m", "tests.kills", *which]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "4 kills, 0 of which" in done.stdout
