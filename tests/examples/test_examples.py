"""Every example runs."""

import inspect
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tests.loaded_files import load_file

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("[0-9][0-9]_*.py"))


def _load(name: str) -> ModuleType:
    return load_file(EXAMPLES / f"{name}.py")


@pytest.mark.parametrize("name", [script.stem for script in SCRIPTS])
def test_example_runs_and_says_what_it_does(
    name: str, tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = _load(name)
    assert module.__doc__
    assert f"python examples/{name}.py" in module.__doc__
    arguments = {"model": str(tiny_weights)}
    if "out" in inspect.signature(module.main).parameters:
        arguments["out"] = tmp_path / "out"
    module.main(**arguments)
    assert capsys.readouterr().out
    if "out" in arguments:
        assert any(path.is_file() for path in (tmp_path / "out").rglob("*"))


def test_examples_are_numbered_without_gaps() -> None:
    numbers = [int(script.name[:2]) for script in SCRIPTS]
    assert numbers == list(range(1, len(SCRIPTS) + 1))


def test_a_pixel_comes_back_to_itself(tiny_weights: Path) -> None:
    pixel, projected = _load("04_pixels_and_points").main(model=str(tiny_weights))
    torch.testing.assert_close(projected, pixel, atol=1e-2, rtol=0)
