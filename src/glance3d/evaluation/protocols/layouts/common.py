"""What readers of several layouts share."""

import reprlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import CamerasError, ImageError
from glance3d.evaluation.protocols.truth import ScanOfScene, TrueScene
from glance3d.files.number_rows import read_rows
from glance3d.formats.camera_values import read_pose
from glance3d.geometry.transforms import invert
from glance3d.images.decoding.decode import read_header
from glance3d.images.decoding.depth_maps import read_depth_map
from glance3d.images.files.file_kinds import READABLE_SUFFIXES
from glance3d.images.finding.sources import natural_key
from glance3d.photo_sets.assembly import file_inside
from glance3d.types import Cameras

_LONGEST_SHOWN = 300

LoadDepth = Callable[[int], Float[Tensor, "height width"] | None]


def scene_folders(data: Path, scenes: Sequence[str], inside: str) -> list[Path]:
    """The folders of ``data`` that hold ``inside``: of these names, or all, sorted by name."""
    names = scenes or sorted(path.name for path in data.iterdir())
    return [data / name for name in names if (data / name / inside).exists()]


def photos_in(folder: Path) -> list[Path]:
    """The photos right in a folder, ``img2`` before ``img10``; none if there is no such folder."""
    if not folder.is_dir():
        return []
    found = (path for path in folder.iterdir() if path.suffix.lower() in READABLE_SUFFIXES)
    return sorted(found, key=natural_key)


def true_scene(
    name: str,
    paths: Iterable[Path],
    cam_from_world: Sequence[Tensor | None],
    intrinsics: Sequence[Tensor | None],
    load_depth: LoadDepth | None = None,
    load_scan: Callable[[], ScanOfScene] | None = None,
) -> TrueScene:
    """The truth of these photos, whose sizes are read here; None becomes NaN."""
    paths = tuple(paths)
    poses = [torch.full((3, 4), torch.nan) if one is None else one for one in cam_from_world]
    matrices = [torch.full((3, 3), torch.nan) if one is None else one for one in intrinsics]
    cameras = Cameras(
        torch.stack([one.double() for one in poses]),
        torch.stack([one.double() for one in matrices]),
        torch.tensor([read_header(path).size for path in paths]),
    )
    checked = None if load_depth is None else _of_photo_size(load_depth, paths, cameras)
    return TrueScene(name, paths, cameras, checked, load_scan)


def _of_photo_size(load_depth: LoadDepth, paths: Sequence[Path], cameras: Cameras) -> LoadDepth:
    """The same, but a map of another size than its photo is refused."""

    def load(view: int) -> Float[Tensor, "height width"] | None:
        depth = load_depth(view)
        if depth is not None:
            width, height = cameras.image_sizes[view].tolist()
            refuse_other_size(paths[view], (width, height), (depth.shape[1], depth.shape[0]))
        return depth

    return load


def refuse_other_size(photo: Path, size: tuple[int, int], depth_size: tuple[int, int]) -> None:
    """An ``ImageError`` where depth is not of the photo's size; both are (width, height)."""
    if size != depth_size:
        raise ImageError(
            f"depth of {photo} must be of the photo's size {size[0]} x {size[1]}, got "
            f"{depth_size[0]} x {depth_size[1]}"
        )


def pinhole(fx: float, fy: float, cx: float, cy: float) -> Float[Tensor, "3 3"]:
    """Intrinsics, float64; ``cx`` and ``cy`` of pixels whose first corner is 0."""
    return torch.tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=torch.float64)


def read_camera_to_world(path: Path) -> Float[Tensor, "3 4"] | None:
    """``cam_from_world`` of a file with the 4x4 pose of the camera in the world, or its inverse.

    None where the file says by infinities or NaN that the camera was lost.
    """
    return camera_of_rows(read_rows(path, error=CamerasError), f"the pose in {path}")


def camera_of_rows(rows: Sequence[Sequence[float]], where: str) -> Float[Tensor, "3 4"] | None:
    """``cam_from_world`` of rows that are the camera's pose in the world; None if not finite."""
    numbers = [list(row) for row in rows[:3]]
    if not np.isfinite([value for row in numbers for value in row]).all():
        return None
    return invert(read_pose(numbers, where))


def depth_of_pictures(
    paths: Sequence[Path | None],
    photos: Sequence[Path],
    per_unit: float,
    unknown: Sequence[int] = (),
) -> LoadDepth:
    """Reads 16-bit pictures of depth, so many steps a unit; 0 and ``unknown`` steps are unknown.

    Sizes are compared by headers first, so that a damaged one takes no memory.
    """

    def load(view: int) -> Float[Tensor, "height width"] | None:
        path = paths[view]
        if path is None:
            return None
        refuse_other_size(photos[view], read_header(photos[view]).size, read_header(path).size)
        steps = read_depth_map(path).astype(np.float32)
        steps[np.isin(steps, np.array(unknown, np.float32))] = 0
        return torch.from_numpy(steps / np.float32(per_unit))

    return load


def existing(path: Path) -> Path | None:
    """The path if a file is there."""
    return path if path.is_file() else None


def needed(path: Path, what: str) -> Path:
    """The path; an ``ImageError`` where there is no such file or folder."""
    try:
        if path.exists():
            return path
    except (OSError, ValueError):  # a name that no file can have
        pass
    shown = str(path) if len(str(path)) <= _LONGEST_SHOWN else f"{str(path)[:_LONGEST_SHOWN]}..."
    raise ImageError(f"{what} must be at {shown!r}, got nothing there: copy the data set again")


def named_photo(folder: Path, name: str, what: str) -> Path:
    """The file of a relative name that leads nowhere else; an ``ImageError`` without one."""
    path = file_inside(folder, name)
    if path is None:
        shown = reprlib.repr(name)
        raise ImageError(f"{what} must be in {folder}, got none of the name {shown} there")
    return path
