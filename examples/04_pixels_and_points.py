"""From a pixel of one photo to a point in the world and into the other photo: the conventions.

    python examples/04_pixels_and_points.py

Pixels are those of the original, upright photo: x to the right, y down, and the centre of the
top-left pixel is (0.5, 0.5). ``cam_from_world`` maps world points to a camera frame with OpenCV
axes (x right, y down, z forward). Depth is along z, not along the ray. See CONVENTIONS.md.
"""

from pathlib import Path

import torch

import glance3d
from glance3d.geometry.cameras import project_points
from glance3d.geometry.transforms import invert, transform_points

PHOTOS = Path(__file__).parent / "data" / "motorcycle" / "images"


def main(model: str = "glance-small") -> tuple[torch.Tensor, torch.Tensor]:
    """Unproject the middle pixel of the left photo; project it into the left and right photo."""
    scene = glance3d.reconstruct(PHOTOS, model=model)
    cameras = scene.cameras
    assert scene.depth is not None  # it was asked for, by default

    width, height = scene.placements[0].original_size
    pixel = torch.tensor([width // 2 + 0.5, height // 2 + 0.5])
    depth = scene.placements[0].map_to_original(scene.depth[0])[height // 2, width // 2]

    ray = torch.linalg.inv(cameras.intrinsics[0]) @ torch.cat([pixel, torch.ones(1)])
    point_cam = depth * ray  # the ray's z is 1, so depth along z is its length
    point_world = transform_points(invert(cameras.cam_from_world[0]), point_cam[None])

    projected, _ = project_points(point_world, cameras.cam_from_world[0], cameras.intrinsics[0])
    right, _ = project_points(point_world, cameras.cam_from_world[1], cameras.intrinsics[1])
    print(f"pixel {pixel.tolist()} of {scene.names[0]} at depth {depth:.3f} {scene.units}")
    print(f"is the point {[round(x, 3) for x in point_world[0].tolist()]} in the world,")
    print(f"projects back to {[round(x, 2) for x in projected[0].tolist()]},")
    print(f"and lies at {[round(x, 2) for x in right[0].tolist()]} in {scene.names[1]}")
    return pixel, projected[0]


if __name__ == "__main__":
    main()
