"""Commands that write a folder in which an earlier result stands, and how each is told apart."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from glance3d.cli import main
from glance3d.exporters import load_scene
from glance3d.models import build_model, config
from glance3d.models.weights.files import save_weights
from glance3d.training import load_checkpoint

_SMALL = ["--max-pixels", "4096", "--device", "cpu"]


@dataclass(frozen=True)
class Command:
    """``old`` makes the earlier result, ``new`` writes over it; both are told where things are.

    ``version`` reads which of the two a folder holds, by whatever a user would read; of a run that
    trains, it may lie between the two.
    """

    old: Callable[[Path], list[str]]
    new: Callable[[Path], list[str]]
    version: Callable[[Path], Any]


def prepare(root: Path) -> None:
    """Photos of two scenes, a network, and a saved scene of each; all in ``root``."""
    generator = np.random.default_rng(0)
    for scene, names in (("before", "abc"), ("after", "bcd")):
        (root / scene).mkdir(parents=True)
        for name in names:
            pixels = generator.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / scene / f"{name}.png")
    torch.manual_seed(0)
    save_weights(build_model(config.tiny()), root / "network.safetensors", config.tiny())
    for scene in ("before", "after"):
        run([*_reconstruct(root, scene), "--out", str(root / f"{scene} scene")])


def run(words: list[str]) -> None:
    """Run a command, which must succeed."""
    if main(words) != 0:
        raise RuntimeError(f"glance3d {' '.join(words)} failed")


def _reconstruct(root: Path, scene: str) -> list[str]:
    network = ["--model", str(root / "network.safetensors")]
    return ["reconstruct", str(root / scene), *network, *_SMALL]


def _windows(root: Path, scene: str) -> list[str]:
    return [*_reconstruct(root, scene), "--window", "2", "--out", str(root / "out")]


def _export(root: Path, scene: str) -> list[str]:
    out = ["--format", "colmap", "--out", str(root / "out")]
    return ["export", str(root / f"{scene} scene"), *out]


def _train(root: Path, samples: int) -> list[str]:
    sizes = ["--samples", str(samples), "--images", "2", "--threads", "1"]
    return ["train", "--recipe", "tiny-test", "--out", str(root / "out"), *sizes]


def _names_in_model(out: Path) -> tuple[str, ...]:
    from glance3d.known_cameras import load_known_cameras

    return tuple(sorted(str(camera.name) for camera in load_known_cameras(out).cameras))


COMMANDS = {
    "reconstruct": Command(
        lambda root: [*_reconstruct(root, "before"), "--out", str(root / "out")],
        lambda root: [*_reconstruct(root, "after"), "--out", str(root / "out")],
        lambda out: load_scene(out).names,
    ),
    "windows": Command(
        lambda root: _windows(root, "before"),
        lambda root: _windows(root, "after"),
        lambda out: load_scene(out).names,
    ),
    "export": Command(
        lambda root: _export(root, "before"), lambda root: _export(root, "after"), _names_in_model
    ),
    "train": Command(
        lambda root: _train(root, 2),
        lambda root: [*_train(root, 6), "--resume"],
        lambda out: load_checkpoint(out / "checkpoint.pt").progress.samples,
    ),
}
