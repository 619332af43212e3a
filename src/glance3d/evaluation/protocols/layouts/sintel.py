"""MPI Sintel with depth and cameras.

Source: Butler et al., "A naturalistic open source movie for optical flow evaluation", ECCV 2012,
and the readers that come with its depth: ``.dpt`` is a tag, width, height and float32 z-depth,
``.cam`` a tag, 3x3 intrinsics and the 3x4 pose from the world to the camera in float64; all of it
with the smallest byte first.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import CamerasError, Glance3DError, ImageError
from glance3d.evaluation.protocols.layouts.common import existing, photos_in, true_scene
from glance3d.evaluation.protocols.truth import ListedScene, TrueScene
from glance3d.files.text_input import read_bytes
from glance3d.formats.camera_values import read_intrinsics, read_pose

TAG = 202021.25
_LONGEST = 1 << 28


def list_scenes(data: Path, scenes: Sequence[str]) -> list[ListedScene]:
    """``training/final/SEQUENCE/frame_NNNN.png``, its ``depth/`` and ``camdata_left/``."""
    root = data / "training" if (data / "training").is_dir() else data
    pictures = root / "final"
    if not pictures.is_dir():
        return []
    names = scenes or sorted(path.name for path in pictures.iterdir())
    listed = []
    for name in names:
        photos = photos_in(pictures / name)
        if photos:
            frames = tuple(path.stem for path in photos)
            listed.append(ListedScene(name, frames, _reader(root, name, photos)))
    return listed


def _reader(root: Path, name: str, photos: Sequence[Path]):
    def read(chosen: Sequence[int]) -> TrueScene:
        paths = [photos[place] for place in chosen]
        depth = [existing(root / "depth" / name / f"{path.stem}.dpt") for path in paths]
        cameras = [
            read_cam(file)
            if (file := existing(root / "camdata_left" / name / f"{path.stem}.cam"))
            else (None, None)
            for path in paths
        ]

        def load_depth(view: int) -> Float[Tensor, "height width"] | None:
            path = depth[view]
            return None if path is None else read_dpt(path)

        return true_scene(
            name,
            paths,
            [pose for _, pose in cameras],
            [matrix for matrix, _ in cameras],
            load_depth,
        )

    return read


def read_dpt(path: Path) -> Float[Tensor, "height width"]:
    """The z-depth of a ``.dpt`` file."""
    content = _tagged(path, ImageError)
    width, height = np.frombuffer(content[:8], "<i4").tolist() if len(content) >= 8 else (0, 0)
    if width < 1 or height < 1 or len(content) != 8 + 4 * width * height:
        raise ImageError(f"{path} must hold float32 of {width} x {height} pixels: it is cut short")
    values = np.frombuffer(content[8:], "<f4").reshape(height, width)
    return torch.from_numpy(values.astype(np.float32))


def read_cam(path: Path) -> tuple[Float[Tensor, "3 3"], Float[Tensor, "3 4"]]:
    """Intrinsics, of pixels whose first centre is here 0.5, and ``cam_from_world``."""
    content = _tagged(path, CamerasError)
    if len(content) != 21 * 8:
        raise CamerasError(f"{path} must hold 21 numbers of float64, got {len(content)} bytes")
    numbers = np.frombuffer(content, "<f8")
    matrix = read_intrinsics(numbers[:9].reshape(3, 3).tolist(), f"intrinsics in {path}")
    return matrix, read_pose(numbers[9:].reshape(3, 4).tolist(), f"the pose in {path}")


def _tagged(path: Path, error: type[Glance3DError]) -> bytes:
    content = read_bytes(path, error=error, limit=_LONGEST)
    if content[:4] != np.array(TAG, "<f4").tobytes():
        raise error(f"{path} must begin with Sintel's tag {TAG}: it is another kind of file")
    return content[4:]
