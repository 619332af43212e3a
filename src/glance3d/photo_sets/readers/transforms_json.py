"""A ``transforms.json`` with its photos: nerfstudio, and the exports of phone scanners."""

import reprlib
from collections.abc import Sequence
from pathlib import Path

from glance3d.errors import ImageError
from glance3d.formats.transforms_json.file import (
    TransformsFile,
    TransformsFrame,
    read_transforms_file,
)
from glance3d.known_cameras.matching.names import match_names
from glance3d.known_cameras.readers.transforms_json import cameras_of_transforms
from glance3d.photo_sets.assembly import files_below, photos_with_cameras
from glance3d.photo_sets.photo_set import PhotoSet
from glance3d.photo_sets.readers.cameras_json import masks_below

TRANSFORMS_FILE = "transforms.json"
#: nerfstudio's own default: whole numbers are millimetres.
DEFAULT_DEPTH_SCALE = 1e-3


def is_transforms_folder(folder: Path) -> bool:
    """Whether a ``transforms.json`` is in it."""
    return (folder / TRANSFORMS_FILE).is_file()


def read_transforms_folder(folder: Path, photos: Path | None = None) -> PhotoSet:
    """The frames that have a photo, a pose and intrinsics; depth and masks where frames name them.

    Raises:
        ImageError: there are none, or depth is named that is not there.
    """
    path = folder / TRANSFORMS_FILE
    file = read_transforms_file(path)
    found = photos_with_cameras(cameras_of_transforms(path, file), folder, photos)
    frames = _frames_of(file, found.paths, path)
    count = len(found.paths)
    depth_names = {v: frame.depth_file_path for v, frame in enumerate(frames) if frame}
    mask_names = {v: frame.mask_path for v, frame in enumerate(frames) if frame}
    depth = files_below(folder, depth_names, count)
    missing = [name for view, name in depth_names.items() if name and depth[view] is None]
    if missing:
        raise ImageError(
            f"{path} names depth {reprlib.repr(missing[0])}, which is not in {folder}: put it "
            "there, or remove depth_file_path from the frames that have none"
        )
    masks = files_below(folder, mask_names, count)
    stated = file.depth_unit_scale_factor
    return PhotoSet(
        folder.resolve().name,
        found.paths,
        found.cameras,
        tuple(depth),
        (stated or DEFAULT_DEPTH_SCALE) if any(depth) else None,
        False,
        "arbitrary",
        tuple(masks) if any(masks) else masks_below(folder, found.paths),
        None,
        "transforms.json",
        found.warnings,
    )


def _frames_of(
    file: TransformsFile, photos: Sequence[Path], path: Path
) -> list[TransformsFrame | None]:
    """The frame of each photo, by the same rules as its camera."""
    names, sources = [photo.name for photo in photos], list(map(str, photos))
    places, _ = match_names([frame.file_path for frame in file.frames], names, sources, str(path))
    return [None if place is None else file.frames[place] for place in places]
