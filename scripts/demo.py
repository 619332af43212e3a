"""Reconstruct the example photos, say what was written, and measure it against the truth.

    python scripts/demo.py --out demo

The photos are a stereo pair whose cameras and depth are known (examples/data/motorcycle). Every
number stands beside that of a guess that looks at no pixel, so that a reader can judge it: a model
that does not beat the guess has learnt nothing that helps here.
"""

import argparse
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

import glance3d
from glance3d.cli import main as glance3d_command
from glance3d.datasets.photo_folder import PhotoSet, load_photo_set
from glance3d.evaluation.metrics import depth_errors, fov_error_deg, relative_pose_errors
from glance3d.types import Reconstruction

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ROOT / "examples" / "data" / "motorcycle"
GUESSED_FOV = math.radians(60)  # across the longer side: a phone or a kit lens


@dataclass(frozen=True)
class Measure:
    """One number of the model, the same of the guess, and what it is."""

    name: str
    unit: str
    model: float
    guess: float
    more_is_better: bool = False

    @property
    def beats_guess(self) -> bool:
        """Whether the model is clearly better, by a tenth, than the guess."""
        if self.more_is_better:
            return 1 - self.model < 0.9 * (1 - self.guess)
        return self.model < 0.9 * self.guess or self.guess == 0  # a perfect guess says nothing


def measure_cameras(scene: Reconstruction, truth: PhotoSet) -> list[Measure]:
    """Where the second camera is, seen from the first, and how wide both see."""
    true, sizes = truth.cameras, truth.cameras.image_sizes.float()
    errors = relative_pose_errors(scene.cameras.cam_from_world, true.cam_from_world)
    focal = sizes.amax(-1) / 2 / math.tan(GUESSED_FOV / 2)
    guessed = true.intrinsics.clone()
    guessed[:, 0, 0] = guessed[:, 1, 1] = focal
    return [
        # The true cameras stand side by side: the guess "not turned" happens to be the truth.
        Measure("camera rotation", "degrees off", errors.rotation.item(), 0.0),
        # A direction drawn at random is 90 degrees off in the middle.
        Measure("camera direction", "degrees off", errors.translation.item(), 90.0),
        Measure(
            "field of view",
            "degrees off",
            fov_error_deg(scene.cameras.intrinsics, true.intrinsics, sizes),
            fov_error_deg(guessed, true.intrinsics, sizes),
        ),
    ]


def measure_depth(scene: Reconstruction, truth: PhotoSet) -> list[Measure]:
    """The first photo's depth after one factor, beside a flat wall."""
    assert scene.depth is not None  # asked for by default
    true = truth.load_depth(0)
    model = depth_errors(scene.placements[0].map_to_original(scene.depth[0]), true)
    wall = depth_errors(torch.ones_like(true), true)
    return [
        Measure(
            "depth, AbsRel",
            "relative error",
            model.depth_absrel_scale_aligned,
            wall.depth_absrel_scale_aligned,
        ),
        Measure(
            "depth, delta < 1.25",
            "share of pixels",
            model.depth_delta_125_scale_aligned,
            wall.depth_delta_125_scale_aligned,
            more_is_better=True,
        ),
    ]


def print_table(measures: list[Measure]) -> None:
    """The measures, one a line."""
    print(f"{'':22} {'model':>8} {'guess':>8}")
    for measure in measures:
        print(f"{measure.name:22} {measure.model:8.3f} {measure.guess:8.3f}  {measure.unit}")


def verdict(cameras: list[Measure], depth: list[Measure]) -> str:
    """One plain sentence about each half."""
    sentences = []
    for what, measures in (("Cameras", cameras), ("Depth", depth)):
        if all(measure.beats_guess for measure in measures):
            sentences.append(f"{what}: clearly better than the guess on this pair.")
        else:
            sentences.append(f"{what}: NOT clearly better than the guess; do not rely on this.")
    return "\n".join(sentences)


def main() -> int:
    """Reconstruct, then measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "demo")
    parser.add_argument("--model", default="glance-small")
    options = parser.parse_args()

    words = ["reconstruct", f"{PHOTOS / 'images'}", "--out", f"{options.out}"]
    words += ["--model", options.model]
    print("$ glance3d " + " ".join(words), flush=True)
    code = glance3d_command(words)
    if code:
        return code
    scene, truth = glance3d.load_scene(options.out), load_photo_set(PHOTOS)
    cameras, depth = measure_cameras(scene, truth), measure_depth(scene, truth)
    print("\nHow far from the truth (structured light, Middlebury 2014; one scene proves little):")
    print_table([*cameras, *depth])
    print("The guess: cameras not turned and in a random direction, 60 degrees wide, a flat wall.")
    print(verdict(cameras, depth))
    print(f"\nLook at {options.out / 'depth'}/*_preview.* and open {options.out / 'scene.glb'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
