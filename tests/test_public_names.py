"""Importing is cheap, and every public name is there when asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

import glance3d


def _run(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_importing_loads_nothing_heavy() -> None:
    code = "import sys, glance3d, glance3d.cli; print(*sorted(sys.modules))"
    loaded = _run(code).split()
    assert "glance3d" in loaded
    assert not {"torch", "numpy", "PIL", "tyro", "huggingface_hub"} & set(loaded)


HEAVY = {"sympy", "networkx", "torch._dynamo", "roma", "scipy", "pycolmap"}
HEAVY |= {"huggingface_hub.utils"}  # the hub's client; its constants alone are light


@pytest.mark.long
def test_first_use_loads_little_beside_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch's compiler, which came with a dependency once, doubles what a start takes."""
    code = (
        "import sys, numpy as np, torch; before = len(sys.modules); import glance3d;"
        "glance3d.refine, glance3d.track, glance3d.export, glance3d.view, glance3d.add_photos;"
        "pictures = [np.full((64, 64, 3), 60 * i, np.uint8) for i in range(2)];"
        "glance3d.reconstruct(pictures, model=glance3d.load_model());"
        "print(before, *sys.modules)"
    )
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))  # no weights beside the package's own
    before, *loaded = _run(code).split()
    assert not HEAVY & set(loaded)
    others = [name for name in loaded if not name.startswith("glance3d")]
    assert len(others) - int(before) < 100


@pytest.mark.parametrize("name", glance3d.__all__)
def test_public_name_is_there(name: str) -> None:
    assert getattr(glance3d, name) is not None


def test_public_names_are_listed() -> None:
    assert set(glance3d.__all__) <= set(dir(glance3d))


def test_public_names_are_functions_and_types_not_modules() -> None:
    """A submodule of the same name would shadow a public function once it is imported."""
    code = (
        "import pkgutil, glance3d;"
        "print(*{module.name for module in pkgutil.iter_modules(glance3d.__path__)}"
        " & set(glance3d.__all__))"
    )
    assert _run(code).strip() == ""


def test_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="reconstuct"):
        _ = glance3d.reconstuct  # type: ignore[attr-defined]
