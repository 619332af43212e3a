"""KITTI: the depth benchmark's annotated frames, and the odometry benchmark's drives.

Sources: Uhrig et al., "Sparsity invariant CNNs", 3DV 2017 (depth: 16-bit PNG, 256 to the metre, 0
unknown); Geiger et al., "Are we ready for autonomous driving?", CVPR 2012 (odometry: the pose of
camera 0 in the world, 3x4 row by row, a line a frame; ``calib.txt`` has the projections P0 to P3).
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from glance3d.errors import CamerasError
from glance3d.evaluation.protocols.layouts.common import (
    camera_of_rows,
    depth_of_pictures,
    needed,
    photos_in,
    true_scene,
)
from glance3d.evaluation.protocols.truth import ListedScene, TrueScene
from glance3d.files.number_rows import read_rows
from glance3d.files.text_input import read_text
from glance3d.formats.camera_values import read_intrinsics

_STEPS_PER_METRE = 256.0
_DEPTH = Path("proj_depth") / "groundtruth" / "image_02"


def list_depth(data: Path, scenes: Sequence[str]) -> list[ListedScene]:
    """``val/DRIVE_sync/proj_depth/groundtruth/image_02/N.png`` and the raw drives' pictures.

    These are ``DATE/DRIVE_sync/image_02/data/N.png``. Frames are those that have depth.
    """
    drives = sorted((data / "val").iterdir()) if (data / "val").is_dir() else []
    listed = []
    for drive in drives:
        depth = photos_in(drive / _DEPTH)
        if depth and (not scenes or drive.name in scenes):
            frames = tuple(path.stem for path in depth)
            pictures = data / drive.name[:10] / drive.name / "image_02" / "data"
            listed.append(ListedScene(drive.name, frames, _depth_reader(pictures, depth)))
    return listed


def _depth_reader(pictures: Path, depth: Sequence[Path]):
    def read(chosen: Sequence[int]) -> TrueScene:
        maps = [depth[place] for place in chosen]
        paths = [needed(pictures / path.name, "a frame with depth") for path in maps]
        unknown = [None] * len(maps)
        load_depth = depth_of_pictures(maps, paths, _STEPS_PER_METRE)
        return true_scene(pictures.parent.parent.name, paths, unknown, unknown, load_depth)

    return read


def list_odometry(data: Path, scenes: Sequence[str]) -> list[ListedScene]:
    """``sequences/NN/image_2/NNNNNN.png``, ``sequences/NN/calib.txt`` and ``poses/NN.txt``."""
    listed = []
    for poses in sorted((data / "poses").glob("*.txt")):
        folder = data / "sequences" / poses.stem
        photos = photos_in(folder / "image_2")
        if photos and (not scenes or poses.stem in scenes):
            frames = tuple(path.stem for path in photos)
            read = _odometry_reader(poses, folder / "calib.txt", photos)
            listed.append(ListedScene(poses.stem, frames, read))
    return listed


def _odometry_reader(poses: Path, calib: Path, photos: Sequence[Path]):
    def read(chosen: Sequence[int]) -> TrueScene:
        rows = read_rows(poses, error=CamerasError)
        if len(rows) != len(photos) or any(len(row) != 12 for row in rows):
            raise CamerasError(f"{poses} must have 12 numbers for each of {len(photos)} pictures")
        matrix, shift = _left_colour_camera(calib)
        cameras = []
        for place in chosen:
            row = rows[place]
            pose = camera_of_rows([row[:4], row[4:8], row[8:]], f"line {place + 1} of {poses}")
            if pose is not None:
                pose[:, 3] += shift
            cameras.append(pose)
        paths = [photos[place] for place in chosen]
        return true_scene(poses.stem, paths, cameras, [matrix] * len(paths))

    return read


def _left_colour_camera(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Intrinsics of camera 2, whose pictures these are, and its translation from camera 0."""
    for line in read_text(path, error=CamerasError).split("\n"):
        if line.startswith("P2:"):
            try:
                values = [float(word) for word in line.split()[1:]]
            except ValueError:
                values = []
            if len(values) != 12:
                raise CamerasError(f"P2 in {path} must be 12 numbers, got {line[:60]!r}")
            projection = torch.tensor(values, dtype=torch.float64).reshape(3, 4)
            matrix = read_intrinsics(projection[:, :3].tolist(), f"P2 in {path}")
            shift = torch.linalg.solve(matrix, projection[:, 3])
            matrix[:2, 2] += 0.5  # from a first pixel's centre of 0
            return matrix, shift
    raise CamerasError(f"{path} must have the projection P2, got none")
