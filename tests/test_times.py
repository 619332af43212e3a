"""What a process held is its own."""

import subprocess
import sys

from glance3d.reporting.times import peak_process_memory

CODE = "from glance3d.reporting.times import peak_process_memory; print(peak_process_memory())"


def test_a_process_does_not_count_what_started_it_held() -> None:
    ballast = bytearray(b"x") * 400_000_000
    mine = peak_process_memory()
    child = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert mine is not None
    assert mine > len(ballast)
    assert int(child.stdout) < 200_000_000
