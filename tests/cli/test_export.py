"""``glance3d export``."""

import inspect
from pathlib import Path

import pytest

from glance3d.cli import export, main
from glance3d.exporters import FORMATS


@pytest.fixture(scope="module")
def scene(tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved scene of one photo."""
    import numpy as np
    from PIL import Image

    root = tmp_path_factory.mktemp("export")
    pixels = np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(root / "a.png")
    words = [root / "a.png", "--out", root / "scene", "--model", tiny_weights]
    assert main(["reconstruct", *map(str, words), "--max-pixels", "4704"]) == 0
    return root / "scene"


@pytest.mark.parametrize("name", [n for n in FORMATS if not FORMATS[n].only_with_masks])
def test_every_format_again(
    scene: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / Path(FORMATS[name].path_in_folder).name
    assert main(["export", str(scene), "--format", name, "--out", str(out)]) == 0
    assert out.exists()
    assert f"wrote {out}" in capsys.readouterr().out


def test_masks_of_a_scene_that_has_none(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", str(scene), "--format", "masks", "--out", str(tmp_path / "masks")]
    assert main(words) == 1
    assert "this scene has no masks" in capsys.readouterr().err
    assert not (tmp_path / "masks").exists()


def test_the_usual_place_is_beside_the_scene(scene: Path) -> None:
    (scene / "points.ply").unlink()
    (scene / "scene.glb").unlink()
    assert main(["export", str(scene / "scene.npz"), "--format", "ply,glb"]) == 0
    assert (scene / "points.ply").is_file()
    assert (scene / "scene.glb").is_file()


def test_the_name_says_the_format(scene: Path, tmp_path: Path) -> None:
    assert (
        main(["export", str(scene), "--out", str(tmp_path / "few.ply"), "--max-points", "7"]) == 0
    )
    header = (tmp_path / "few.ply").read_bytes()[:200]
    assert b"element vertex 7" in header


@pytest.mark.parametrize(
    ("words", "code", "match"),
    [
        ([], 2, "--format"),
        (["--format", "obj"], 2, "obj"),
        (["--format", "ply", "glb", "--out", "x"], 2, "one format"),
        (["--out", "scene.xyz"], 2, "scene.xyz"),
    ],
)
def test_what_cannot_be_written_is_refused(
    scene: Path, words: list[str], code: int, match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(scene), *words]) == code
    assert match in capsys.readouterr().err


def test_no_scene(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path), "--format", "ply"]) == 1
    assert "no saved scene" in capsys.readouterr().err


def test_help_names_every_format() -> None:
    assert all(name in inspect.getsource(export) for name in FORMATS)
