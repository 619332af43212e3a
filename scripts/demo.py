"""Reconstruct and refine the example photos, and measure both against the truth.

    python scripts/demo.py --out demo

The photos are a stereo pair whose cameras and depth are known (examples/data/motorcycle). Every
number stands beside that of a guess that looks at no pixel, so that a reader can judge it: what
does not beat the guess has learnt nothing that helps here.
"""

import argparse
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

import glance3d
from glance3d.cli import main as glance3d_command
from glance3d.evaluation.metrics import depth_errors, fov_error_deg, relative_pose_errors
from glance3d.photo_sets import PhotoSet, load_photo_set
from glance3d.types import Reconstruction

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ROOT / "examples" / "data" / "motorcycle"
GUESSED_FOV = math.radians(60)  # across the longer side: a phone or a kit lens


@dataclass(frozen=True)
class Measure:
    """One number after one pass of the network, after refinement, and of the guess."""

    name: str
    unit: str
    one_look: float
    refined: float
    guess: float
    more_is_better: bool = False

    @property
    def beats_guess(self) -> bool:
        """Whether the refined number is clearly better, by a tenth, than the guess."""
        if self.more_is_better:
            return 1 - self.refined < 0.9 * (1 - self.guess)
        return self.refined < 0.9 * self.guess or self.guess == 0  # a perfect guess says nothing


def measure_cameras(scenes: list[Reconstruction], truth: PhotoSet) -> list[Measure]:
    """Where the second camera is, seen from the first, and how wide both see."""
    true, sizes = truth.cameras, truth.cameras.image_sizes.float()
    errors = [relative_pose_errors(s.cameras.cam_from_world, true.cam_from_world) for s in scenes]
    focal = sizes.amax(-1) / 2 / math.tan(GUESSED_FOV / 2)
    guessed = true.intrinsics.clone()
    guessed[:, 0, 0] = guessed[:, 1, 1] = focal
    views = [s.cameras.intrinsics for s in scenes] + [guessed]
    return [
        # The true cameras stand side by side: the guess "not turned" happens to be the truth.
        Measure("camera rotation", "degrees off", *(e.rotation.item() for e in errors), 0.0),
        # A direction drawn at random is 90 degrees off in the middle.
        Measure("camera direction", "degrees off", *(e.translation.item() for e in errors), 90.0),
        Measure(
            "field of view",
            "degrees off",
            *(fov_error_deg(intrinsics, true.intrinsics, sizes) for intrinsics in views),
        ),
    ]


def measure_depth(scenes: list[Reconstruction], truth: PhotoSet) -> list[Measure]:
    """The first photo's depth after one factor, beside a flat wall."""
    true = truth.load_depth(0)
    maps = [_depth_of_first(scene) for scene in scenes]
    errors = [depth_errors(depth, true) for depth in (*maps, torch.ones_like(true))]
    measures = [
        Measure(
            "depth, AbsRel",
            "relative error",
            *(error.depth_absrel_scale_aligned for error in errors),
        ),
        Measure(
            "depth, delta < 1.25",
            "share of pixels",
            *(error.depth_delta_125_scale_aligned for error in errors),
            more_is_better=True,
        ),
    ]
    measured = scenes[-1].measured
    if measured is not None:
        sure = scenes[-1].placements[0].map_to_original(measured[0].float()) > 0
        kept = [depth_errors(torch.where(sure, depth, 0.0), true) for depth in maps]
        wall = depth_errors(sure.float(), true)
        measures.append(
            Measure(
                "... where measured",
                f"share of the {float(sure.float().mean()):.0%} measured from the photos",
                *(error.depth_delta_125_scale_aligned for error in (*kept, wall)),
                more_is_better=True,
            )
        )
    return measures


def _depth_of_first(scene: Reconstruction) -> torch.Tensor:
    assert scene.depth is not None  # asked for by default
    return scene.placements[0].map_to_original(scene.depth[0])


def print_table(measures: list[Measure]) -> None:
    """The measures, one a line."""
    print(f"{'':22} {'one pass':>8} {'refined':>8} {'guess':>8}")
    for measure in measures:
        numbers = (measure.one_look, measure.refined, measure.guess)
        print(f"{measure.name:22} {' '.join(f'{n:8.3f}' for n in numbers)}  {measure.unit}")


def verdict(cameras: list[Measure], depth: list[Measure]) -> str:
    """One plain sentence about each half of what refinement gave."""
    sentences = []
    for what, measures in (("Cameras", cameras), ("Depth", depth)):
        behind = [measure.name for measure in measures if not measure.beats_guess]
        if not behind:
            sentences.append(f"{what}, refined: clearly better than the guess on this pair.")
        else:
            sentences.append(
                f"{what}, refined: NOT clearly better than the guess in {', '.join(behind)}."
            )
    return "\n".join(sentences)


def run(words: list[str]) -> None:
    """One command, shown before it runs; leaves where it fails."""
    print("$ glance3d " + " ".join(words), flush=True)
    code = glance3d_command(words)
    if code:
        sys.exit(code)
    print(flush=True)


def main() -> int:
    """Reconstruct, refine, then measure both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "demo")
    parser.add_argument("--model", default="glance-small")
    options = parser.parse_args()

    photos, out = f"{PHOTOS / 'images'}", f"{options.out}"
    run(["reconstruct", photos, "--out", out, "--model", options.model])
    one_look = glance3d.load_scene(options.out)
    run(["refine", out, "--densify"])
    scenes, truth = [one_look, glance3d.load_scene(options.out)], load_photo_set(PHOTOS)
    cameras, depth = measure_cameras(scenes, truth), measure_depth(scenes, truth)
    print("How far from the truth (structured light, Middlebury 2014; one scene proves little):")
    print_table([*cameras, *depth])
    print("The guess: cameras not turned and in a random direction, 60 degrees wide, a flat wall.")
    print("Two photos do not say how wide they are: the field of view stays a guess, too.")
    print(verdict(cameras, depth))
    print(f"\nLook at {options.out / 'depth'}/*_preview.* and open {options.out / 'scene.glb'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
