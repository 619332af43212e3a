"""Photo sets as if many people took them: ``python -m benchmarks.mixed_cameras SETS --out DIR``.

The first photos of each set, cropped about their centre and resized in turns, each to a size of its
own; cameras and intrinsics are still the truth. ``glance3d evaluate DIR/*`` then shows what is made
of photos whose focal lengths differ and are stated nowhere.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

from glance3d.formats.cameras_json import (
    CAMERAS_FILE,
    CamerasFileView,
    read_cameras_file,
    write_cameras_file,
)

#: The sides that are kept, and how what is kept is resized.
CROPS = ((1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (0.62, 1.0), (0.8, 0.7), (0.5, 1.0), (0.7, 0.9))
_SHRINK = 0.004  # so that no two sizes are the same


def main() -> None:
    """Write a mixed set for each given one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--photos", type=int, default=12)
    options = parser.parse_args()
    for folder in options.sets:
        mix(folder, options.out / f"{folder.name}_mixed", options.photos)


def mix(folder: Path, out: Path, photos: int) -> None:
    """The first photos of a set with ``cameras.json``, into a new folder."""
    file = read_cameras_file(folder / CAMERAS_FILE)
    (out / "images").mkdir(parents=True)
    views = []
    for index, view in enumerate(file.views[:photos]):
        kept, scale = CROPS[index % len(CROPS)]
        scale *= 1 - _SHRINK * (index % len(CROPS))
        with Image.open(folder / view.image) as photo:
            width, height = (round(side * kept) for side in photo.size)
            left, top = (
                (side - own) // 2 for side, own in zip(photo.size, (width, height), strict=True)
            )
            cropped = photo.convert("RGB").crop((left, top, left + width, top + height))
        size = round(width * scale), round(height * scale)
        name = f"images/{index:03d}.jpg"
        cropped.resize(size, Image.Resampling.LANCZOS).save(out / name, quality=95)
        intrinsics = view.intrinsics
        if intrinsics is not None:
            intrinsics = intrinsics.clone()
            intrinsics[:2, 2] -= torch.tensor([left, top])
            intrinsics[:2] *= torch.tensor([[size[0] / width], [size[1] / height]])
        views.append(CamerasFileView(name, size, intrinsics, view.cam_from_world, view.radial))
    mixed = replace(file, name=out.name, views=tuple(views), depth_scale=None)
    write_cameras_file(out / CAMERAS_FILE, mixed)


if __name__ == "__main__":
    main()
