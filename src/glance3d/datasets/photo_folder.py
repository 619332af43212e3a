"""Real photo sets with true cameras, in a folder::

    cameras.json     name, units, metric, depth_scale, views
    images/NNN.jpg   undistorted photos
    depth/NNN.png    16-bit z-depth; times depth_scale it is in units; 0 = unknown (optional)

Each entry of ``views`` needs ``image``, ``size``, ``intrinsics`` and ``cam_from_world``
(:mod:`glance3d.formats.cameras_json` says what they are) and, where there is depth, ``depth``.
"""

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import ImageError, InputError
from glance3d.formats.cameras_json import CAMERAS_FILE, CamerasFileView, read_cameras_file
from glance3d.images.decoding.depth_maps import read_depth_map
from glance3d.results import settle
from glance3d.types import Cameras


@dataclass(frozen=True)
class PhotoSet:
    """Photos of one scene with their true cameras, in the original photos' pixels.

    Lengths are in ``units``; ``metric`` says whether those are true lengths. ``depth_paths`` has
    one entry a photo, None where its depth is unknown; read them with :meth:`load_depth`.
    """

    name: str
    image_paths: tuple[Path, ...]
    cameras: Cameras
    depth_paths: tuple[Path | None, ...]
    depth_scale: float | None
    metric: bool
    units: str

    def __len__(self) -> int:
        return len(self.image_paths)

    @property
    def has_depth(self) -> bool:
        """Whether any photo has depth."""
        return any(path is not None for path in self.depth_paths)

    def load_depth(self, view: int) -> Float[Tensor, "height width"]:
        """z-depth of one photo in ``units``, 0 where unknown; its grid may be coarser."""
        path = self.depth_paths[view]
        if path is None or self.depth_scale is None:
            raise InputError(f"photo {view} of {self.name} has no depth: check has_depth")
        values = read_depth_map(path)
        return torch.from_numpy(values.astype(np.float32)) * self.depth_scale


def load_photo_set(path: str | Path) -> PhotoSet:
    """The photo set in a folder. Raises ``ImageError`` that says what is missing or wrong."""
    folder = Path(path)
    settle(folder)
    file = folder / CAMERAS_FILE
    if not file.is_file():
        what = "is no folder" if not folder.is_dir() else f"has no {CAMERAS_FILE}"
        raise ImageError(f"{folder} {what}: give a photo set, with images/ and {CAMERAS_FILE}")
    record = read_cameras_file(file)
    views = record.views
    if record.depth_scale is None and any(view.depth for view in views):
        raise ImageError(f"{file} names depth maps but gives no depth_scale")
    wheres = [f"view {number} of {file}" for number in range(len(views))]
    for view, where in zip(views, wheres, strict=True):
        for key in ("size", "intrinsics", "cam_from_world"):
            if getattr(view, key) is None:
                raise ImageError(f"{where} has no {key!r}")
    return PhotoSet(
        name=record.name,
        image_paths=tuple(
            _file(folder, view.image, where) for view, where in zip(views, wheres, strict=True)
        ),
        cameras=_cameras(views),
        depth_paths=tuple(
            None if view.depth is None else _file(folder, view.depth, where)
            for view, where in zip(views, wheres, strict=True)
        ),
        depth_scale=record.depth_scale,
        metric=record.metric,
        units=record.units,
    )


def _cameras(views: Sequence[CamerasFileView]) -> Cameras:
    """Views with size, intrinsics and pose."""
    radial = [view.radial or 0.0 for view in views]
    camera_ids = [view.camera_id for view in views]
    return Cameras(
        torch.stack([v.cam_from_world for v in views if v.cam_from_world is not None]).float(),
        torch.stack([v.intrinsics for v in views if v.intrinsics is not None]).float(),
        torch.tensor([view.size for view in views]),
        torch.tensor(radial) if any(radial) else None,
        None if None in camera_ids else torch.tensor(camera_ids),
    )


def _file(folder: Path, name: str, where: str) -> Path:
    path = folder / name
    try:
        is_inside = path.is_file() and not Path(name).is_absolute() and ".." not in Path(name).parts
    except (OSError, ValueError):  # a name that no file can have
        is_inside = False
    if not is_inside:
        raise ImageError(f"{where} names the file {reprlib.repr(name)}, which is not in {folder}")
    return path
