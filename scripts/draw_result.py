"""Draw a scene on one page: a photo, its depth, and the points seen from the side.

    python scripts/draw_result.py demo docs/motorcycle.jpg

The picture in the README is made by this command from what ``make demo`` wrote.
"""

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import glance3d
from glance3d.exporters.colormap import colorize_depth, inverse_depth_range
from glance3d.exporters.options import DEFAULT_PERCENTILE
from glance3d.exporters.point_cloud import select_points
from glance3d.files import atomic_file
from glance3d.geometry.cameras import project_points
from glance3d.geometry.filter import usable_depth
from glance3d.types import Reconstruction

HEIGHT = 360
MAX_POINTS = 1_000_000
TURN_DEGREES = 18.0  # how far to the side of the reference camera the third picture is taken


def draw_photo(scene: Reconstruction) -> Image.Image:
    """The reference photo on the scene's grid."""
    return Image.fromarray(scene.colors[scene.reference_view].numpy())


def draw_depth(scene: Reconstruction) -> Image.Image:
    """Its depth, near to far."""
    assert scene.depth is not None
    depth = scene.depth[scene.reference_view]
    valid = usable_depth(depth) & scene.mask[scene.reference_view]
    return Image.fromarray(colorize_depth(depth, valid, inverse_depth_range(depth, valid)).numpy())


def draw_points(scene: Reconstruction, size: tuple[int, int]) -> Image.Image:
    """The confident points, from a camera turned about the middle of the scene."""
    cloud = select_points(scene, DEFAULT_PERCENTILE, MAX_POINTS)
    points, colors = cloud.points_world, cloud.colors
    intrinsics = scene.placements[0].intrinsics_to_processed(scene.cameras.intrinsics[0])
    zoom = size[1] / scene.colors.shape[1]
    intrinsics = torch.diag(torch.tensor([zoom, zoom, 1.0])) @ intrinsics
    middle = points.median(0).values
    angle = math.radians(TURN_DEGREES)
    turn = torch.tensor(
        [
            [math.cos(angle), 0, math.sin(angle)],
            [0, 1, 0],
            [-math.sin(angle), 0, math.cos(angle)],
        ]
    )
    side_from_world = torch.cat([turn, (middle - turn @ middle)[:, None]], 1)
    pixels, depth = project_points(points[None], side_from_world[None], intrinsics[None])
    return splat(pixels[0].numpy(), depth[0].numpy(), colors.numpy(), size)


def splat(
    pixels: np.ndarray,
    depth: np.ndarray,
    colors: np.ndarray,
    size: tuple[int, int],
    radius: int = 1,
) -> Image.Image:
    """Each point as a small square, far ones first."""
    width, height = size
    canvas = np.full((height, width, 3), 255, np.uint8)
    order = np.argsort(-depth)
    order = order[depth[order] > 0]
    x, y = np.floor(pixels[order]).astype(int).T
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            inside = (x + dx >= 0) & (x + dx < width) & (y + dy >= 0) & (y + dy < height)
            canvas[y[inside] + dy, x[inside] + dx] = colors[order][inside]
    return Image.fromarray(canvas)


def main() -> None:
    """Three pictures side by side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scene", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    scene = glance3d.load_scene(options.scene)
    photo = draw_photo(scene)
    size = (round(photo.width * HEIGHT / photo.height), HEIGHT)
    panels = [photo, draw_depth(scene)]
    panels = [panel.resize(size, Image.Resampling.BICUBIC) for panel in panels]
    panels.append(draw_points(scene, size))
    page = Image.new("RGB", (3 * size[0] + 20, HEIGHT), "white")
    for index, panel in enumerate(panels):
        page.paste(panel, (index * (size[0] + 10), 0))
    with atomic_file(options.picture) as temporary:
        page.save(temporary, quality=90)
    print(f"drew {options.picture}")


if __name__ == "__main__":
    main()
