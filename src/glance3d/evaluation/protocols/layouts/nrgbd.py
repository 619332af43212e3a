"""Neural RGB-D's synthetic rooms: pictures, depth and poses in rows.

Source: Azinović et al., "Neural RGB-D surface reconstruction", CVPR 2022, and its data: poses are
4x4, of the camera in the world with OpenGL axes, one after the other in ``poses.txt``, of NaN where
there is none; ``focal.txt`` has one focal length in pixels; depth is in millimetres.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from glance3d.errors import CamerasError
from glance3d.evaluation.protocols.layouts.common import (
    camera_of_rows,
    depth_of_pictures,
    existing,
    photos_in,
    pinhole,
    scene_folders,
    true_scene,
)
from glance3d.evaluation.protocols.truth import ListedScene, TrueScene
from glance3d.files.number_rows import read_rows
from glance3d.formats.camera_values import read_focal
from glance3d.images.decoding.decode import read_header

_MILLIMETRES = 1000.0
_OPENCV_FROM_OPENGL = torch.tensor([[1.0], [-1.0], [-1.0]], dtype=torch.float64)


def list_scenes(data: Path, scenes: Sequence[str]) -> list[ListedScene]:
    """``SCENE/images/imgN.png``, ``SCENE/depth/depthN.png``, ``poses.txt`` and ``focal.txt``."""
    listed = []
    for folder in scene_folders(data, scenes, "poses.txt"):
        photos = photos_in(folder / "images")
        if photos:
            frames = tuple(path.stem for path in photos)
            listed.append(ListedScene(folder.name, frames, _reader(folder, photos)))
    return listed


def _reader(folder: Path, photos: Sequence[Path]):
    def read(chosen: Sequence[int]) -> TrueScene:
        rows = read_rows(folder / "poses.txt", error=CamerasError)
        focal = _focal(folder / "focal.txt")
        if len(rows) != 4 * len(photos):
            raise CamerasError(
                f"{folder / 'poses.txt'} must have 4 rows for each of {len(photos)} pictures, got "
                f"{len(rows)}"
            )
        paths = [photos[place] for place in chosen]
        poses = []
        for place in chosen:
            where = f"pose {place} of {folder / 'poses.txt'}"
            pose = camera_of_rows(rows[4 * place : 4 * place + 3], where)
            poses.append(None if pose is None else pose * _OPENCV_FROM_OPENGL)
        width, height = read_header(paths[0]).size
        depth = [
            existing(folder / "depth" / f"{path.stem.replace('img', 'depth')}.png")
            for path in paths
        ]
        return true_scene(
            folder.name,
            paths,
            poses,
            [pinhole(focal, focal, width / 2, height / 2)] * len(paths),
            depth_of_pictures(depth, paths, _MILLIMETRES),
        )

    return read


def _focal(path: Path) -> float:
    rows = read_rows(path, error=CamerasError)
    if not rows:
        raise CamerasError(f"{path} must hold a focal length in pixels, got nothing")
    return read_focal(rows[0][0], f"the focal length in {path}")
