"""Whatever standard output and error are, a run is not lost for them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

START = """
import sys
import glance3d.cli as cli
from glance3d.cli import version
from glance3d.files.atomic import to_json_text
def run(options):
{body}
    open("done", "w").close()
version.run = run
sys.argv = ["glance3d", "version"]
sys.exit(cli.main())
"""
NAME = "фото é 😀 \udcff.jpg"  # as Python reads a file name with a byte that is no text
SHOW = f"    print(to_json_text({{'name': {NAME!r}}}))"


def _run(
    body: str, folder: Path, redirection: str = "", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    (folder / "start.py").write_text(START.format(body=body))
    (folder / "done").unlink(missing_ok=True)
    return subprocess.run(
        ["bash", "-c", f"{sys.executable} start.py {redirection}; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
    )


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8", "latin-1:strict"])
def test_what_a_stream_cannot_show_is_escaped_as_in_json(encoding: str, tmp_path: Path) -> None:
    done = _run(SHOW, tmp_path, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode(encoding.partition(":")[0])
    assert json.loads(text)["name"].encode("utf-16", "surrogatepass") == NAME.encode(
        "utf-16", "surrogatepass"
    )


def test_log_and_errors_show_any_name(tmp_path: Path) -> None:
    body = f"""    import logging
    from glance3d.errors import Glance3DError
    logging.getLogger("glance3d").warning("skipped %s", {NAME!r})
    open("done", "w").close()
    raise Glance3DError("cannot read " + {NAME!r})"""
    done = _run(body, tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 1
    lines = done.stderr.decode("ascii").splitlines()
    assert len(lines) == 2
    assert "\\u0444\\u043e\\u0442\\u043e \\u00e9 \\ud83d\\ude00 \\udcff.jpg" in lines[1]


@pytest.mark.parametrize(
    ("redirection", "code"), [(">&-", 0), ("| true", 0), (">/dev/full", 1), (">&- 2>&-", 0)]
)
def test_a_stdout_that_takes_nothing_costs_no_work(
    redirection: str, code: int, tmp_path: Path
) -> None:
    body = f"    print('x' * 100_000, file=sys.stderr)\n    open('done', 'w').close()\n{SHOW}"
    done = _run(body, tmp_path, f"{redirection}")
    assert done.returncode == code
    assert (tmp_path / "done").exists()
    assert b"Traceback" not in done.stderr
    assert (b"standard output cannot be written" in done.stderr) == (code == 1)


def test_a_stderr_that_nobody_reads_ends_nothing(tmp_path: Path) -> None:
    body = """    import time
    time.sleep(0.2)
    for _ in range(100):
        print("progress" * 1000, file=sys.stderr, flush=True)
    print("result")"""
    done = _run(body, tmp_path, "2>&1 >out | true")
    assert done.returncode == 0
    assert (tmp_path / "done").exists()
    assert (tmp_path / "out").read_text() == "result\n"


def test_a_file_opened_later_is_not_taken_for_a_closed_stdout(tmp_path: Path) -> None:
    body = """    import os
    with open("result", "w") as file:
        os.write(1, b"a library's banner")
        file.write("whole")"""
    assert _run(body, tmp_path, ">&-").returncode == 0
    assert (tmp_path / "result").read_text() == "whole"
