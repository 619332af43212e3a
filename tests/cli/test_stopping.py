"""Signals end a command with one line and the exit code that shells know, wherever it is."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
START = """
import contextlib, hashlib, os, sys, threading, time
import glance3d.cli as cli
from glance3d.cli import version
from glance3d.cli.terminal import stopping
def ready(): os.write(1, b"ready\\n")
def run(options):
{body}
version.run = run
sys.argv = ["glance3d", "version"]
sys.exit(cli.main())
"""


def _stopped(
    body: str, signals: Sequence[int], folder: Path, ignored: Sequence[int] = ()
) -> tuple[int, str]:
    """Exit code and standard error of a command that got these signals, each after it said ready.

    ``body`` is what the command does, in ``folder``.
    """

    def born() -> None:  # where the tests run in the background, children would be born deaf
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    indented = "\n".join(f"    {line}" for line in body.strip().splitlines())
    process = subprocess.Popen(
        [sys.executable, "-c", START.format(body=indented)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        preexec_fn=born,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(folder)])},
    )
    try:
        assert process.stdout is not None
        for number in signals:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "Traceback" not in errors
    return process.returncode, errors


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_cleans_up_and_says_so(number: int, tmp_path: Path) -> None:
    body = """
try:
    ready()
    time.sleep(100)
finally:
    open("cleaned", "w").close()
"""
    code, errors = _stopped(body, [number], tmp_path)
    assert code == 128 + number
    assert errors.count("\n") == 1
    assert errors.startswith("glance3d: stopped by ")
    assert (tmp_path / "cleaned").exists()


def test_notes_on_the_way_say_what_stands(tmp_path: Path) -> None:
    body = """
try:
    ready()
    time.sleep(100)
except KeyboardInterrupt as stop:
    stop.add_note("scene/ is as it was")
    raise
"""
    _, errors = _stopped(body, [signal.SIGTERM], tmp_path)
    assert errors == "glance3d: stopped by SIGTERM; scene/ is as it was\n"


def test_the_second_ends_it_at_once(tmp_path: Path) -> None:
    body = """
try:
    ready()
    time.sleep(100)
finally:
    time.sleep(0.5)
    ready()
    time.sleep(100)
"""
    code, errors = _stopped(body, [signal.SIGINT, signal.SIGINT], tmp_path)
    assert code == 130
    assert "at once" in errors


@pytest.mark.parametrize("number", SIGNALS)
def test_work_in_c_that_does_not_look_is_ended(number: int, tmp_path: Path) -> None:
    body = """
stopping.PATIENCE_SECONDS = 0.3
threading.Timer(0.3, ready).start()
hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""
    code, errors = _stopped(body, [number], tmp_path)
    assert code == 128 + number
    assert "at once" in errors


def test_an_import_that_catches_everything_does_not_hide_it(tmp_path: Path) -> None:
    module = """
import os, time
try:
    os.write(1, b"ready\\n")
    time.sleep(0.5)
except BaseException:
    pass
"""
    (tmp_path / "greedy.py").write_text(module)
    body = """
import greedy
time.sleep(100)
"""
    code, errors = _stopped(body, [signal.SIGINT], tmp_path)
    assert code == 130
    assert "stopped by Ctrl-C" in errors


def test_a_finaliser_that_meets_it_does_not_hide_it(tmp_path: Path) -> None:
    body = """
class Held:
    def __del__(self):
        ready()
        time.sleep(100)
held = Held()
del held
time.sleep(100)
"""
    code, errors = _stopped(body, [signal.SIGTERM], tmp_path)
    assert code == 143
    assert "stopped by SIGTERM" in errors


def test_any_error_on_the_way_out_is_the_stop(tmp_path: Path) -> None:
    body = """
try:
    ready()
    time.sleep(100)
except KeyboardInterrupt:
    raise ImportError("a library's own words for it")
"""
    assert _stopped(body, [signal.SIGTERM], tmp_path)[0] == 143


def test_a_hangup_that_nohup_ignores_stays_ignored(tmp_path: Path) -> None:
    body = """
ready()
time.sleep(0.5)
ready()
time.sleep(100)
"""
    signals = [signal.SIGHUP, signal.SIGTERM]
    assert _stopped(body, signals, tmp_path, ignored=[signal.SIGHUP])[0] == 143


@pytest.mark.long
def test_importing_pycolmap_leaves_signals_alone() -> None:
    """Its log would print C++ frames at SIGTERM; also where a thread imports it."""
    code = """
import os, signal, sys, threading
from glance3d.refinement.pycolmap_interface import import_pycolmap
assert "pycolmap" not in sys.modules
for in_thread in (False, True):
    child = os.fork()
    if child == 0:
        if in_thread:
            thread = threading.Thread(target=import_pycolmap)
            thread.start()
            thread.join()
        else:
            import_pycolmap()
        assert "pycolmap" in sys.modules
        os.kill(os.getpid(), signal.SIGTERM)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == -signal.SIGTERM, code
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
