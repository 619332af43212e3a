"""Our own layout, which photo sets of benchmarks have here, and scenes that Glance3D wrote::

    cameras.json     name, units, metric, depth_scale, views
    images/NNN.jpg   undistorted photos
    depth/NNN.png    16-bit z-depth; times depth_scale it is in units; 0 = unknown (optional)
    masks/NNN.png    white counts (optional)

Each entry of ``views`` needs ``image``, ``size``, ``intrinsics`` and ``cam_from_world``
(:mod:`glance3d.formats.cameras_json` says what they are) and, where there is depth, ``depth``.
"""

import reprlib
from collections.abc import Sequence
from pathlib import Path

import torch

from glance3d.errors import ImageError
from glance3d.formats.cameras_json import CAMERAS_FILE, CamerasFileView, read_cameras_file
from glance3d.images.masks import find_masks
from glance3d.photo_sets.assembly import file_inside, refuse_other_sizes
from glance3d.photo_sets.photo_set import PhotoSet
from glance3d.types import Cameras

MASKS_FOLDER = "masks"


def is_cameras_folder(folder: Path) -> bool:
    """Whether a ``cameras.json`` is in it."""
    return (folder / CAMERAS_FILE).is_file()


def read_cameras_folder(folder: Path) -> PhotoSet:
    """The photo set in a folder. Raises ``ImageError`` that says what is missing or wrong."""
    file = folder / CAMERAS_FILE
    record = read_cameras_file(file)
    views = record.views
    if record.depth_scale is None and any(view.depth for view in views):
        raise ImageError(f"{file} names depth maps but gives no depth_scale")
    wheres = [f"view {number} of {file}" for number in range(len(views))]
    for view, where in zip(views, wheres, strict=True):
        for key in ("size", "intrinsics", "cam_from_world"):
            if getattr(view, key) is None:
                raise ImageError(f"{where} has no {key!r}")
    paths = tuple(
        _file(folder, view.image, where) for view, where in zip(views, wheres, strict=True)
    )
    refuse_other_sizes(paths, [view.size for view in views if view.size is not None], str(file))
    return PhotoSet(
        name=record.name,
        image_paths=paths,
        cameras=_cameras(views),
        depth_paths=tuple(
            None if view.depth is None else _file(folder, view.depth, where)
            for view, where in zip(views, wheres, strict=True)
        ),
        depth_scale=record.depth_scale,
        metric=record.metric,
        units=record.units,
        mask_paths=masks_below(folder, paths),
    )


def masks_below(folder: Path, photos: Sequence[Path]) -> tuple[Path | None, ...]:
    """The mask of each photo in the folder's ``masks/``; none, if there is no such folder."""
    masks = folder / MASKS_FOLDER
    if not masks.is_dir():
        return ()
    return tuple(find_masks(masks, [path.name for path in photos], list(map(str, photos))))


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
    path = file_inside(folder, name)
    if path is None:
        raise ImageError(f"{where} names the file {reprlib.repr(name)}, which is not in {folder}")
    return path
