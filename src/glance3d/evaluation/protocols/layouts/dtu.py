"""DTU's tables of objects: photos and cameras as MVSNet prepared them, and the structured light.

Sources: Jensen et al., "Large scale multi-view stereopsis evaluation", CVPR 2014 (``stl`` scans,
``ObsMask`` and ``Plane`` of the evaluation, in millimetres); Yao et al., "MVSNet", ECCV 2018
(``cams/NNNNNNNN_cam.txt``: "extrinsic", 4x4 from the world to the camera, "intrinsic", 3x3).
"""

import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.errors import CamerasError, ImageError
from glance3d.evaluation.protocols.layouts.common import (
    needed,
    photos_in,
    scene_folders,
    true_scene,
)
from glance3d.evaluation.protocols.truth import ListedScene, ScanOfScene, TrueScene
from glance3d.files.text_input import read_text
from glance3d.formats.camera_values import read_intrinsics, read_pose
from glance3d.formats.ply import read_ply_points


def list_scenes(data: Path, scenes: Sequence[str]) -> list[ListedScene]:
    """``scanN/images/``, ``scanN/cams/``, ``Points/stl/stlNNN_total.ply``, ``ObsMask/``."""
    listed = []
    for folder in scene_folders(data, scenes, "cams"):
        photos = photos_in(folder / "images")
        number = re.fullmatch(r"scan(\d{1,3})", folder.name)
        if photos and number:
            frames = tuple(path.stem for path in photos)
            read = _reader(data, folder, int(number[1]), photos)
            listed.append(ListedScene(folder.name, frames, read))
    return listed


def _reader(data: Path, folder: Path, number: int, photos: Sequence[Path]):
    def read(chosen: Sequence[int]) -> TrueScene:
        paths = [photos[place] for place in chosen]
        cameras = [read_cam(folder / "cams" / f"{path.stem}_cam.txt") for path in paths]
        return true_scene(
            folder.name,
            paths,
            [pose for pose, _ in cameras],
            [matrix for _, matrix in cameras],
            load_scan=lambda: read_scan(data, number),
        )

    return read


def read_cam(path: Path) -> tuple[Float[Tensor, "3 4"], Float[Tensor, "3 3"]]:
    """``cam_from_world`` and intrinsics of a camera's text."""
    words = read_text(path, error=CamerasError).split()
    if len(words) < 27 or words[0] != "extrinsic" or words[17] != "intrinsic":
        raise CamerasError(f"{path} must be: extrinsic, 16 numbers, intrinsic, 9 numbers")
    try:
        values = [float(word) for word in (*words[1:17], *words[18:27])]
    except ValueError as error:
        raise CamerasError(f"{path} must hold 25 numbers") from error
    pose = read_pose([values[4 * row : 4 * row + 4] for row in range(3)], f"extrinsic in {path}")
    rows = [values[16 + 3 * row : 19 + 3 * row] for row in range(3)]
    matrix = read_intrinsics(rows, f"intrinsic in {path}")
    matrix[:2, 2] += 0.5  # from a first pixel's centre of 0
    return pose, matrix


def read_scan(data: Path, number: int) -> ScanOfScene:
    """The scan of one table, and where its evaluation looks: ``ObsMask`` and above ``Plane``."""
    folder = data / "Points" / "stl"
    points = read_ply_points(needed(folder / f"stl{number:03d}_total.ply", "the scan"))
    masks = data / "ObsMask"
    mask = _read_mat(needed(masks / f"ObsMask{number}_10.mat", "where was observed"))
    plane = _read_mat(needed(masks / f"Plane{number}.mat", "the plane of the table"))
    return ScanOfScene(points, _observed(mask), _above(plane))


def _read_mat(path: Path) -> dict[str, np.ndarray]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        values = loadmat(path)
    except (ValueError, TypeError, OSError, NotImplementedError, MatReadError, zlib.error) as error:
        raise ImageError(f"{path} must be a MATLAB file (before 7.3): {error}") from error
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}


def _observed(mask: dict[str, np.ndarray]) -> Callable[[Float[Tensor, "n 3"]], Bool[Tensor, " n"]]:
    """Whether points lie in observed cells: ``ObsMask`` from the corner ``BB[0]`` by ``Res``."""
    try:
        cells = torch.from_numpy(mask["ObsMask"].astype(bool))
        corner = torch.from_numpy(mask["BB"].astype(np.float64))[0]
        size = float(mask["Res"].item())
    except (KeyError, ValueError, IndexError) as error:
        raise ImageError(f"an ObsMask must hold ObsMask, BB and Res, got {set(mask)}") from error

    def observed(points: Float[Tensor, "n 3"]) -> Bool[Tensor, " n"]:
        # round(x + 1) - 1 of MATLAB, whose halves go up.
        places = torch.floor((points - corner) / size + 0.5).long()
        shape = torch.tensor(cells.shape)
        inside = ((places >= 0) & (places < shape)).all(-1)
        kept = inside.clone()
        kept[inside] = cells[tuple(places[inside].T)]
        return kept

    return observed


def _above(plane: dict[str, np.ndarray]) -> Callable[[Float[Tensor, "n 3"]], Bool[Tensor, " n"]]:
    """Whether points lie above the table: ``P`` times (x, y, z, 1) is positive."""
    if "P" not in plane or plane["P"].size != 4:
        raise ImageError(f"a Plane must hold four numbers P, got {set(plane)}")
    values = torch.from_numpy(plane["P"].astype(np.float64).reshape(4))
    return lambda points: points @ values[:3] + values[3] > 0
