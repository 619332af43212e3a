"""How much a focal length in the file helps: ``python -m benchmarks.focal_lengths SET...``.

Cameras of ``glance-small`` if the photos' files have no focal length, the true one, one that is 5 %
too long (as after rounding) and one that is 50 % too long (as after cropping), and how often each
is used. Photos are predicted all together, and in windows of a few neighbours; synthetic scenes are
of the validation split.
"""

import argparse
import datetime
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

import glance3d
from benchmarks.compare import describe_machine
from glance3d.datasets import SyntheticConfig
from glance3d.evaluation import EvaluationScene, photo_set, synthetic_set
from glance3d.evaluation.metrics import pose_auc, relative_pose_errors
from glance3d.models import VGGT
from glance3d.pass_options import PassOptions
from glance3d.prediction import predict
from glance3d.types import PhotoMetadata
from glance3d.types.images import FILM_DIAGONAL_MM

STATED = {"nothing": None, "the truth": 1.0, "5 % more": 1.05, "50 % more": 1.5}
FOLLOWED = 1.1  # the largest factor between what is stated and what is found


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", nargs="*", type=Path)
    parser.add_argument("--window", type=int, default=4, help="neighbouring photos")
    parser.add_argument("--synthetic-scenes", type=int, default=96)
    options = parser.parse_args()
    model = glance3d.load_model("glance-small", device="cpu")
    print(f"{datetime.date.today()}, {model.config.name}")
    print("\n".join(describe_machine("cpu")))
    data = SyntheticConfig(max_pixels=256 * 256, fov_degrees=(15.0, 95.0))
    drawn = synthetic_set(data, options.synthetic_scenes, split="validation")
    cases = {"synthetic, 256 x 256": drawn.scenes}
    for folder in options.sets:
        photos = photo_set(folder, model.preprocessing)
        cases[f"{photos.name}, {len(photos.scenes[0].cameras)} photos"] = photos.scenes
        windows = photos.in_windows(options.window)
        if windows.scenes:
            cases[windows.name] = windows.scenes
    print("\n| photos | files say | AUC@5 | AUC@30 | factor of the truth | followed |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, scenes in cases.items():
        for stated, factor in STATED.items():
            print(f"| {name} | {stated} | {measure(model, scenes, factor)} |", flush=True)


def measure(model: VGGT, scenes: Sequence[EvaluationScene], factor: float | None) -> str:
    """Means over scenes, as cells of the table."""
    rows = []
    for scene in scenes:
        cameras = scene.cameras
        true = cameras.intrinsics.diagonal(dim1=-2, dim2=-1)[:, :2].mean(-1)
        metadata = tuple(
            PhotoMetadata(
                focal_35mm=factor and factor * focal * FILM_DIAGONAL_MM / math.hypot(*size)
            )
            for focal, size in zip(true.tolist(), cameras.image_sizes.tolist(), strict=True)
        )
        batch = replace(scene.batch, metadata=metadata)
        estimated = predict(model, batch, PassOptions(("camera",))).to_reconstruction(batch).cameras
        worse = relative_pose_errors(estimated.cam_from_world, cameras.cam_from_world).worse
        ratio = float((estimated.intrinsics[:, 0, 0] / true).log().mean().exp())
        followed = math.nan if factor is None else abs(math.log(ratio / factor))
        is_followed = float(followed < math.log(FOLLOWED))
        rows.append((pose_auc(worse, 5), pose_auc(worse, 30), ratio, is_followed))
    auc_5, auc_30, ratio, followed = torch.tensor(rows).unbind(-1)
    spread = ratio.log().abs().mean().exp()
    shown = "-" if factor is None else f"{followed.mean():.2f}"
    return f"{auc_5.mean():.3f} | {auc_30.mean():.3f} | {spread:.2f} | {shown}"


if __name__ == "__main__":
    main()
