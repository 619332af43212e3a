"""Make ``examples/data/motorcycle`` from a scikit-image wheel: a stereo pair with true depth.

    pip download --no-deps scikit-image
    python scripts/build_motorcycle.py scikit_image-*.whl examples/data/motorcycle

The photos are copied unchanged. The wheel's disparities become z-depth in metres, and its
calibration becomes two cameras, in the layout of ``glance3d.photo_sets.readers.cameras_json``.

Where the numbers come from: scikit-image's ``data.stereo_motorcycle`` documents the Middlebury
calibration divided by 4, its reduction factor. Middlebury counts pixels from 0 at their centres;
with the top-left pixel's centre at (0.5, 0.5) the reduction is a pure scale, so the full-size
principal point gains half a pixel before it is divided: (4 * 311.193 + 0.5) / 4. A point at depth
z moves ``focal * baseline / z - doffs`` pixels to the left between the photos, ``doffs`` being
the difference of the principal points.
"""

import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

FOCAL = 994.978  # pixels
PRINCIPAL_X = 311.193 + 0.5 / 4  # of the left photo
PRINCIPAL_Y = 254.877 + 0.5 / 4
DOFFS = 31.086  # right principal x minus left principal x, pixels
BASELINE = 0.193001  # metres
DEPTH_SCALE = 1e-4  # metres a step of the 16-bit depth image


def cameras(size: tuple[int, int]) -> dict:
    """The pair's true cameras; the world is the left camera's frame, in metres."""
    views = []
    for name, principal_x, translation_x in (
        ("left", PRINCIPAL_X, 0.0),
        ("right", PRINCIPAL_X + DOFFS, -BASELINE),
    ):
        view = {
            "image": f"images/{name}.png",
            "size": list(size),
            "intrinsics": [
                [FOCAL, 0.0, round(principal_x, 6)],
                [0.0, FOCAL, round(PRINCIPAL_Y, 6)],
                [0.0, 0.0, 1.0],
            ],
            "cam_from_world": [
                [1.0, 0.0, 0.0, translation_x],
                [0.0, 1.0, 0.0, 0.0],
                [0.0, 0.0, 1.0, 0.0],
            ],
        }
        views.append(view)
    views[0]["depth"] = "depth/left.png"
    return {
        "name": "motorcycle",
        "about": "a stereo pair with structured-light depth, Middlebury 2014 at a quarter size",
        "units": "metre",
        "metric": True,
        "depth_scale": DEPTH_SCALE,
        "views": views,
    }


def main(wheel: str, out: str) -> None:
    """Write the folder."""
    folder = Path(out)
    for name in ("images", "depth"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for side in ("left", "right"):
            photo = archive.read(f"skimage/data/motorcycle_{side}.png")
            (folder / "images" / f"{side}.png").write_bytes(photo)
        disparity = np.load(io.BytesIO(archive.read("skimage/data/motorcycle_disp.npz")))["arr_0"]
        licence = next(name for name in archive.namelist() if name.endswith("/LICENSE.txt"))
        (folder / "LICENSE-scikit-image.txt").write_bytes(archive.read(licence))
    depth = FOCAL * BASELINE / (disparity.astype(np.float64) + DOFFS)
    steps = np.where(np.isfinite(depth), np.rint(depth / DEPTH_SCALE), 0).astype(np.uint16)
    Image.fromarray(steps).save(folder / "depth" / "left.png", optimize=True)
    height, width = depth.shape
    text = json.dumps(cameras((width, height)), indent=1)
    (folder / "cameras.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
