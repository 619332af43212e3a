"""The command line as a whole: help, exit codes, and one line for what went wrong."""

import os
import subprocess
import sys

import pytest

import glance3d
from glance3d import cli
from glance3d.cli import COMMANDS, main, version
from glance3d.cli.options.clips import ClipFlags
from glance3d.cli.options.model import ModelFlags
from glance3d.cli.options.passes import PassFlags, WindowFlags
from glance3d.cli.options.photo_input import InputFlags
from glance3d.errors import Glance3DError, InputError
from glance3d.images import ClipSampling, Preprocessing
from glance3d.models import ModelSource
from glance3d.pass_options import PassOptions


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "glance3d", *words]
    return subprocess.run(command, capture_output=True, text=True)


def _fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(options: version.Options) -> None:
        raise error

    monkeypatch.setattr(version, "run", fail)


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"], []])
def test_top_level_help_lists_every_command(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    out = capsys.readouterr().out
    assert all(command in out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_that_fits_a_terminal(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*command.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert all(len(line) <= 80 for line in out.splitlines())
    assert f"glance3d {command}" in out
    assert "--traceback" in out


def test_help_loads_little() -> None:
    """Fewer modules than half of what torch brings: help answers before one could wait for it."""
    code = (
        "import io, sys, contextlib, glance3d.cli as cli\n"
        "for words in (['--help'], *([*command.split(), '--help'] for command in cli.COMMANDS)):\n"
        "    with contextlib.redirect_stdout(io.StringIO()): cli.main(words)\n"
        "    heavy = {'torch', 'numpy', 'PIL'} & set(sys.modules)\n"
        "    print(' '.join(words), len(sys.modules), *heavy, sep='\\t')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [name for name, *_ in lines] == [
        "--help",
        *(f"{command} --help" for command in COMMANDS),
    ]
    assert [heavy for _, _, *heavy in lines] == [[]] * len(lines)
    assert int(lines[0][1]) < 120  # Python itself has a third of these
    assert int(lines[-1][1]) < 400


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"glance3d {glance3d.__version__}\n" * 2


@pytest.mark.parametrize(
    "words",
    [["reconstruct", "p", "--out", "o"], ["refine", "s"], ["add", "s", "p", "--refine"]],
)
def test_options_that_exclude_each_other_are_refused_in_one_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--densify", "--no-densify"]) == 2
    sentence = "glance3d: --densify and --no-densify were both given: choose one\n"
    assert capsys.readouterr().err == sentence


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["refine", "s"], "seed must be a whole number from 0 to 2**31 - 1, got -1"),
        (["train", "--recipe", "tiny-test", "--out", "o"], "a training config must have seed >= 0"),
    ],
)
def test_a_negative_seed_is_refused_in_one_line(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--seed", "-1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"glance3d: {sentence}")
    assert error.count("\n") == 1


@pytest.mark.parametrize("words", [["recnostruct"], ["export"], ["reconstruct", "--devise", "x"]])
def test_what_is_not_understood_exits_with_2(words: list[str]) -> None:
    done = _run(*words)
    assert done.returncode == 2
    assert not done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (Glance3DError("no photos\nhere"), 1, "glance3d: no photos here\n"),
        (InputError("x must be 3, got 4"), 2, "glance3d: x must be 3, got 4\n"),
        (OSError(28, "No space left on device"), 1, "glance3d: No space left on device\n"),
        (
            PermissionError(13, "Permission denied", "/x/y"),
            1,
            "glance3d: Permission denied: /x/y\n",
        ),
        (KeyboardInterrupt(), 130, "glance3d: stopped; nothing half-written is left\n"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(
    error: BaseException,
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _fail_with(monkeypatch, error)
    assert main(["version"]) == code
    captured = capsys.readouterr()
    assert captured.err == line
    assert captured.out == ""


@pytest.mark.parametrize("asked_by", ["flag", "environment"])
def test_traceback_on_request(
    asked_by: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _fail_with(monkeypatch, Glance3DError("no photos"))
    if asked_by == "environment":
        monkeypatch.setenv("GLANCE3D_TRACEBACK", "1")
    assert main(["version"] + ["--traceback"] * (asked_by == "flag")) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("glance3d: no photos\n")


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    _fail_with(monkeypatch, ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        main(["version"])


def test_a_reader_that_closes_early_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "glance3d", "--help"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert done.returncode == 0
    assert not done.stderr


def test_log_handler_goes_when_the_command_is_done() -> None:
    import logging

    before = list(logging.getLogger("glance3d").handlers)
    cli.main(["version"])
    assert logging.getLogger("glance3d").handlers == before


def test_flags_are_in_panels_of_their_topic(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reconstruct", "--help"]) == 0
    out = capsys.readouterr().out
    topics = ("output", "model", "input", "clip", "pass", "refinement", "known quantity")
    places = [out.index(f" {topic} options ") for topic in topics]
    assert places == sorted(places)


def test_groups_of_flags_have_the_librarys_defaults() -> None:
    assert ModelFlags().source() == ModelSource()
    assert PassFlags().options() == WindowFlags().options() == PassOptions()
    inputs = InputFlags().options(ClipFlags())
    assert inputs.preprocessing(Preprocessing()) == Preprocessing()
    assert (inputs.masks, inputs.mask_input, inputs.clips) == (None, False, ClipSampling())
