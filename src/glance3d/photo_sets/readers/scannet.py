"""Frames as ScanNet's reader exports them: ``color/``, ``depth/``, ``pose/``, ``intrinsic/``.

Source: Dai et al., "ScanNet: richly-annotated 3D reconstructions of indoor scenes", CVPR 2017, and
its export tool: poses are 4x4, from the camera to the world; depth is in millimetres; a frame that
was lost has a pose of infinities.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import CamerasError, ImageError
from glance3d.files.number_rows import read_rows
from glance3d.formats.camera_values import read_intrinsics, read_pose
from glance3d.geometry.transforms import invert
from glance3d.images.finding.sources import find_sources
from glance3d.photo_sets.assembly import shared_size
from glance3d.photo_sets.photo_set import PhotoSet
from glance3d.text import first_names
from glance3d.types import Cameras

DEPTH_SCALE = 1e-3
_FOLDERS = ("color", "pose", "intrinsic")


def is_scannet_export(folder: Path) -> bool:
    """Whether pictures, poses and intrinsics are there as the export tool lays them out."""
    return all((folder / name).is_dir() for name in _FOLDERS)


def read_scannet_export(folder: Path) -> PhotoSet:
    """The frames that were not lost.

    Raises:
        ImageError: there are none, or a file is damaged.
    """
    intrinsics = _intrinsics(folder / "intrinsic")
    paths, poses, depth, lost = [], [], [], []
    for path in find_sources(folder / "color").paths:
        pose = _pose(folder / "pose" / f"{path.stem}.txt")
        if pose is None:
            lost.append(path.name)
            continue
        paths.append(path)
        poses.append(pose)
        own = folder / "depth" / f"{path.stem}.png"
        depth.append(own if own.is_file() else None)
    if not paths:
        raise ImageError(f"no picture of {folder / 'color'} has a pose in {folder / 'pose'}")
    warnings = [f"no pose is known of {first_names(lost)}"] if lost else []
    size = shared_size(paths)
    return PhotoSet(
        folder.resolve().name,
        tuple(paths),
        Cameras(
            torch.stack(poses),
            intrinsics.expand(len(paths), 3, 3),
            torch.tensor([size] * len(paths)),
            camera_ids=torch.zeros(len(paths), dtype=torch.long),
        ),
        tuple(depth),
        DEPTH_SCALE if any(depth) else None,
        True,
        "metre",
        kind="scannet",
        warnings=tuple(warnings),
    )


def _intrinsics(folder: Path) -> Float[Tensor, "3 3"]:
    for name in ("intrinsic_color.txt", "intrinsics_color.txt"):
        if (folder / name).is_file():
            rows = [row[:3] for row in read_rows(folder / name, error=CamerasError)[:3]]
            matrix = read_intrinsics(rows, f"intrinsics in {folder / name}")
            matrix[:2, 2] += 0.5  # from a first pixel's centre of 0
            return matrix
    raise CamerasError(f"{folder} has no intrinsic_color.txt")


def _pose(path: Path) -> Float[Tensor, "3 4"] | None:
    """``cam_from_world``; None where the frame was lost."""
    if not path.is_file():
        return None
    rows = read_rows(path, error=CamerasError)
    if any(abs(value) == float("inf") or value != value for row in rows for value in row):
        return None
    return invert(read_pose(rows[:3], f"the pose in {path}"))
