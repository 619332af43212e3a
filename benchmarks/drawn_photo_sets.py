"""Drawn scenes as photo sets on the disk, with true cameras and depth, to fine-tune on.

    python -m benchmarks.drawn_photo_sets OUT --sets 12 --views 6 --fov 8 14

Each scene is a folder with ``images/``, ``depth/`` and ``cameras.json``
(:mod:`glance3d.photo_sets`). The field of view is that of the longer side, in degrees.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from glance3d.datasets import SyntheticConfig, SyntheticScenes
from glance3d.formats.cameras_json import (
    CAMERAS_FILE,
    CamerasFile,
    CamerasFileView,
    write_cameras_file,
)

_DEPTH_STEPS = 60_000  # of a depth PNG, up to the farthest point of the set


def write_sets(
    out: Path, num_sets: int, num_views: int, fov: tuple[float, float], pixels: int, seed: int
) -> None:
    """Write the scenes of one batch of the test split."""
    config = SyntheticConfig(
        images_per_batch=num_sets * num_views,
        num_views=(num_views, num_views),
        max_pixels=pixels,
        aspect_ratio=(1.0, 4 / 3),
        fov_degrees=fov,
        num_textures=48,
        texture_size=128,
    )
    sample = SyntheticScenes(config, seed, split="test").batch(0)
    for scene in range(num_sets):
        folder = out / f"scene_{scene:02d}"
        for name in ("images", "depth"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        depth = torch.where(sample.valid[scene], sample.depth[scene], 0.0)
        scale = float(depth.max()) / _DEPTH_STEPS
        height, width = depth.shape[-2:]
        views = []
        for view in range(num_views):
            image = (sample.images[scene, view].permute(1, 2, 0) * 255).round().byte().numpy()
            Image.fromarray(image).save(folder / "images" / f"{view:03d}.png")
            steps = (depth[view] / scale).round().numpy().astype(np.uint16)
            Image.fromarray(steps).save(folder / "depth" / f"{view:03d}.png")
            views.append(
                CamerasFileView(
                    f"images/{view:03d}.png",
                    (width, height),
                    sample.intrinsics[scene, view],
                    sample.cam_from_world[scene, view],
                    depth=f"depth/{view:03d}.png",
                )
            )
        file = CamerasFile(folder.name, "", "arbitrary", False, scale, tuple(views))
        write_cameras_file(folder / CAMERAS_FILE, file)


def main() -> None:
    """Parse the command line and write the sets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", type=int, default=12)
    parser.add_argument("--views", type=int, default=6)
    parser.add_argument("--fov", type=float, nargs=2, default=(8.0, 14.0))
    parser.add_argument("--pixels", type=int, default=128 * 128)
    parser.add_argument("--seed", type=int, default=0)
    words = parser.parse_args()
    fov = (words.fov[0], words.fov[1])
    write_sets(words.out, words.sets, words.views, fov, words.pixels, words.seed)


if __name__ == "__main__":
    main()
