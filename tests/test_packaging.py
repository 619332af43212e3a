"""The wheel holds what it must, and works where there is no checkout."""

import os
import subprocess
import sys
import tomllib
import zipfile
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from glance3d import __version__

ROOT = Path(__file__).parents[1]
EMBEDDED = ROOT / "src" / "glance3d" / "models" / "embedded"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def _python(unpacked: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in a folder outside the checkout, with the wheel's content before all else."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=unpacked.parent,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=True,
    )


def test_wheel_holds_types_marker_licence_and_notice(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "glance3d/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("licenses/NOTICE") for name in names)


def test_wheel_holds_every_module_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    ours = [path for suffix in ("py", "toml") for path in (ROOT / "src").rglob(f"*.{suffix}")]
    assert {path.relative_to(ROOT / "src").as_posix() for path in ours} <= names
    assert all(name.startswith(("glance3d/", "glance3d-")) for name in names)


def test_wheel_holds_the_embedded_weights(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for weights in EMBEDDED.glob("*.safetensors"):
        assert weights.relative_to(ROOT / "src").as_posix() in names
        assert weights.stat().st_size <= 40_000_000


@pytest.mark.long
def test_package_works_outside_the_checkout(
    unpacked: Path, photos: Path, tmp_path: Path, tiny_weights: Path
) -> None:
    """With the embedded model where it is there, else with any other."""
    words = ["reconstruct", str(photos), "--out", str(tmp_path / "out"), "--max-pixels", "9408"]
    if not any(EMBEDDED.glob("*.safetensors")):
        words += ["--model", str(tiny_weights)]
    code = f"import glance3d.cli as cli; print(cli.__file__); print(cli.main({words!r}))"
    where, *printed = _python(unpacked, "-c", code).stdout.splitlines()
    assert Path(where).is_relative_to(unpacked)
    assert printed[-1] == "0"
    assert (tmp_path / "out" / "scene.npz").is_file()


def test_citation_is_of_this_version() -> None:
    lines = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert f"version: {__version__}" in lines


def test_constraints_pin_everything_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    requirements = map(Requirement, chain(project["dependencies"], *extras))
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    pins = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    for requirement in requirements:
        if requirement.name != "glance3d":
            assert requirement.specifier.contains(pins[requirement.name.lower()])
