"""A walk of crops, and the commands that reconstruct it in windows."""

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import glance3d.prediction as prediction_module
from glance3d.cli import main
from glance3d.cli.terminal.stopping import Stopped
from glance3d.formats.scene_npz.file import save_scene
from glance3d.images import InputOptions
from glance3d.models import ModelSource
from glance3d.pass_options import PassOptions
from glance3d.reconstruction import reconstruct_scene
from glance3d.results import open_result
from glance3d.windows.disk import WindowFolder

SMALL = {"max_pixels": 28 * 28}
NUM_WINDOWS = 4


@pytest.fixture(scope="session")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine overlapping crops of one picture."""
    folder = tmp_path_factory.mktemp("walk")
    coarse = np.random.default_rng(0).integers(0, 255, (8, 32, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((256, 64), Image.Resampling.BICUBIC)
    for index in range(9):
        picture.crop((20 * index, 0, 20 * index + 64, 64)).save(folder / f"{index}.png")
    return folder


@pytest.fixture
def command(walk: Path, tiny_weights: Path) -> Callable[[Path], int]:
    """``glance3d reconstruct`` in four windows; its exit code."""

    def run(out: Path) -> int:
        words = ["reconstruct", str(walk), "--out", str(out), "--model", str(tiny_weights)]
        return main([*words, "--device", "cpu", "--max-pixels", "784", "--window", "4"])

    return run


@pytest.fixture
def reconstruct(walk: Path, tiny_weights: Path) -> Callable[..., None]:
    """What the command does, but that scene.npz alone is written."""

    def run(out: Path, *, weights: Path = tiny_weights, attention: str = "full") -> None:
        source = ModelSource(weights, device="cpu")
        inputs, options = InputOptions(SMALL), PassOptions(window=4, attention=attention)
        with open_result(out) as result, WindowFolder(out) as kept:
            scene = reconstruct_scene(walk, source, inputs, options, keep_in=kept)
            with result.staged(complete=True) as staging:
                save_scene(scene, staging.folder / "scene.npz")

    return run


class Passes:
    """The passes of a network, counted; the one that is called ``stops_at`` raises ``error``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.stops_at: int | None = None
        self.error: BaseException = Stopped(signal.SIGINT)
        usual = prediction_module._predict_once

        def counted(*arguments, **named):
            self.count += 1
            if self.count == self.stops_at:
                raise self.error
            return usual(*arguments, **named)

        monkeypatch.setattr(prediction_module, "_predict_once", counted)

    def taken(self) -> int:
        """How many there were since this was asked; nobody stops the next ones."""
        count, self.count, self.stops_at = self.count, 0, None
        return count


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Passes:
    return Passes(monkeypatch)
