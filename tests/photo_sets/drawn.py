"""A drawn room, written as each format has it."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from glance3d.datasets import MultiViewSample, SyntheticConfig, SyntheticScenes
from glance3d.geometry.cameras import unproject_depth
from glance3d.geometry.rotations import quat_xyzw_from_rotation
from glance3d.geometry.transforms import invert

GL = torch.tensor([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class Drawn:
    """What a set is written from: views of one scene with true cameras and depth."""

    images: np.ndarray
    depth: torch.Tensor
    cam_from_world: torch.Tensor
    intrinsics: torch.Tensor

    @property
    def size(self) -> tuple[int, int]:
        return self.images.shape[2], self.images.shape[1]

    def of_views(self, count: int) -> "Drawn":
        """The first ones."""
        values = (self.images, self.depth, self.cam_from_world, self.intrinsics)
        return Drawn(*(value[:count] for value in values))


@cache
def drawn_room() -> Drawn:
    """Six views of 128x96 pixels with most in common, of scenes that were drawn."""
    config = SyntheticConfig(
        images_per_batch=24,
        num_views=(6, 6),
        max_pixels=128 * 96,
        aspect_ratio=(4 / 3, 4 / 3),
        num_textures=16,
        texture_size=64,
    )
    sample = SyntheticScenes(config, seed=3, split="test").batch(0)
    scene = max(range(len(sample.images)), key=lambda one: _overlap(sample, one))
    pixels = (sample.images[scene].permute(0, 2, 3, 1) * 255).round().byte().numpy()
    depth = torch.where(sample.valid[scene], sample.depth[scene], 0.0)
    return Drawn(
        pixels, depth, sample.cam_from_world[scene].double(), sample.intrinsics[scene].double()
    )


def _overlap(sample: MultiViewSample, scene: int) -> float:
    assert sample.visibility is not None
    return float(sample.visibility[scene].float().mean())


def write_images(room: Drawn, folder: Path, suffix: str = ".png") -> list[str]:
    folder.mkdir(parents=True)
    names = [f"{view:03d}{suffix}" for view in range(len(room.images))]
    for name, pixels in zip(names, room.images, strict=True):
        Image.fromarray(pixels).save(folder / name)
    return names


def write_depth(
    room: Drawn, folder: Path, per_unit: float, depth: torch.Tensor | None = None
) -> None:
    folder.mkdir(parents=True)
    for view, values in enumerate(room.depth if depth is None else depth):
        stored = (values * per_unit).round().clamp(0, 65535).numpy().astype(np.uint16)
        Image.fromarray(stored).save(folder / f"{view:03d}.png")


def write_cameras_json(room: Drawn, folder: Path, depth: torch.Tensor | None = None) -> Path:
    names = write_images(room, folder / "images")
    write_depth(room, folder / "depth", 1000, depth)
    views = [
        {
            "image": f"images/{name}",
            "depth": f"depth/{view:03d}.png",
            "size": list(room.size),
            "intrinsics": room.intrinsics[view].tolist(),
            "cam_from_world": room.cam_from_world[view].tolist(),
        }
        for view, name in enumerate(names)
    ]
    record = {"name": "room", "units": "metre", "metric": True, "depth_scale": 1e-3, "views": views}
    (folder / "cameras.json").write_text(json.dumps(record))
    return folder


def write_transforms(room: Drawn, folder: Path) -> Path:
    names = write_images(room, folder / "images")
    write_depth(room, folder / "depth", 1000)
    frames = []
    for view, name in enumerate(names):
        world_from_cam = invert(room.cam_from_world[view])
        world_from_cam[:, :3] *= GL
        matrix = room.intrinsics[view]
        frames.append(
            {
                "file_path": f"images/{name}",
                "depth_file_path": f"depth/{view:03d}.png",
                "transform_matrix": [*world_from_cam.tolist(), [0, 0, 0, 1]],
                "w": room.size[0],
                "h": room.size[1],
                "fl_x": float(matrix[0, 0]),
                "fl_y": float(matrix[1, 1]),
                "cx": float(matrix[0, 2]),
                "cy": float(matrix[1, 2]),
            }
        )
    (folder / "transforms.json").write_text(json.dumps({"frames": frames}))
    return folder


def write_tum(room: Drawn, folder: Path) -> Path:
    names = write_images(room, folder / "rgb")
    write_depth(room, folder / "depth", 5000)
    lists: dict[str, list[str]] = {
        "rgb.txt": ["# time file"],
        "depth.txt": [],
        "groundtruth.txt": [],
    }
    for view, name in enumerate(names):
        world_from_cam = invert(room.cam_from_world[view])
        numbers = [*world_from_cam[:, 3], *quat_xyzw_from_rotation(world_from_cam[:, :3])]
        pose = " ".join(f"{float(number):.9f}" for number in numbers)
        lists["rgb.txt"].append(f"{view + 0.01:.4f} rgb/{name}")
        lists["depth.txt"].append(f"{view + 0.02:.4f} depth/{view:03d}.png")
        lists["groundtruth.txt"].append(f"{view + 0.005:.4f} {pose}")
    lists["rgb.txt"].append("99.0 rgb/000.png")
    for name, lines in lists.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def write_scannet(room: Drawn, folder: Path) -> Path:
    write_images(room, folder / "color", ".png")
    write_depth(room, folder / "depth", 1000)
    (folder / "pose").mkdir()
    (folder / "intrinsic").mkdir()
    for view in range(len(room.images)):
        rows = [*invert(room.cam_from_world[view]).tolist(), [0.0, 0.0, 0.0, 1.0]]
        if view == 2:
            rows = [[float("-inf")] * 4] * 4
        text = "\n".join(" ".join(map(str, row)) for row in rows)
        (folder / "pose" / f"{view:03d}.txt").write_text(text)
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3] = room.intrinsics[0]
    matrix[:2, 2] -= 0.5
    text = "\n".join(" ".join(map(str, row)) for row in matrix.tolist())
    (folder / "intrinsic" / "intrinsic_color.txt").write_text(text)
    return folder


def write_colmap(room: Drawn, folder: Path) -> Path:
    """A text model whose points are some pixels' surfaces, each seen in one photo."""
    names = write_images(room, folder / "images")
    model = folder / "sparse" / "0"
    model.mkdir(parents=True)
    cameras, images, points = [], [], []
    world = unproject_depth(room.depth.double(), room.cam_from_world, room.intrinsics)
    for view, name in enumerate(names):
        fx, fy, cx, cy = (
            float(room.intrinsics[view][at]) for at in ((0, 0), (1, 1), (0, 2), (1, 2))
        )
        cameras.append(f"{view + 1} PINHOLE {room.size[0]} {room.size[1]} {fx} {fy} {cx} {cy}")
        pose = room.cam_from_world[view]
        x, y, z, w = quat_xyzw_from_rotation(pose[:, :3]).tolist()
        shift = " ".join(map(str, pose[:, 3].tolist()))
        images.append(f"{view + 1} {w} {x} {y} {z} {shift} {view + 1} {name}")
        seen = []
        for row, column in room.depth[view].nonzero().tolist()[::97]:
            number = len(points) + 1
            points.append(
                f"{number} {' '.join(map(str, world[view, row, column].tolist()))} 9 9 9 0.1 "
                f"{view + 1} {len(seen)}"
            )
            seen.append(f"{column + 0.5} {row + 0.5} {number}")
        images.append(" ".join([*seen, "1.5 1.5 -1"]))
    for name, lines in (("cameras", cameras), ("images", images), ("points3D", points)):
        (model / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return folder
