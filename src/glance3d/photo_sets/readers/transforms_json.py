"""A ``transforms.json`` with its photos: nerfstudio, and the exports of phone scanners."""

from pathlib import Path

from glance3d.errors import ImageError
from glance3d.formats.transforms_json.file import TransformsFrame, read_transforms_file
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
    frames = [_frame_of(path, file.frames) for path in found.paths]
    count = len(found.paths)
    depth_names = {v: frame.depth_file_path for v, frame in enumerate(frames) if frame}
    mask_names = {v: frame.mask_path for v, frame in enumerate(frames) if frame}
    depth = files_below(folder, depth_names, count)
    missing = [name for view, name in depth_names.items() if name and depth[view] is None]
    if missing:
        raise ImageError(f"{path} names depth {missing[0]!r}: not in {folder}")
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


def _frame_of(path: Path, frames: tuple[TransformsFrame, ...]) -> TransformsFrame | None:
    """The frame whose name is the longest end of the photo's path, with or without a suffix."""
    best, length = None, 0
    for frame in frames:
        parts = Path(frame.file_path.replace("\\", "/")).parts
        own = path.parts if Path(parts[-1]).suffix else (*path.parts[:-1], path.stem)
        same = 0
        while same < min(len(parts), len(own)) and parts[-1 - same] == own[-1 - same]:
            same += 1
        if same > length:
            best, length = frame, same
    return best
