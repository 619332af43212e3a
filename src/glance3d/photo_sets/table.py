"""The one table of folders that photos with true cameras are read from.

A new format is a reader, and a line here.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from glance3d.errors import ImageError, InputError
from glance3d.formats.colmap.model import is_colmap_model
from glance3d.photo_sets.conventions import Conventions, read_cameras_as
from glance3d.photo_sets.photo_set import PhotoSet
from glance3d.photo_sets.readers.cameras_json import is_cameras_folder, read_cameras_folder
from glance3d.photo_sets.readers.colmap import read_colmap_project
from glance3d.photo_sets.readers.scannet import is_scannet_export, read_scannet_export
from glance3d.photo_sets.readers.transforms_json import is_transforms_folder, read_transforms_folder
from glance3d.photo_sets.readers.tum_rgbd import (
    is_tum_sequence,
    nearly_tum_sequence,
    read_tum_sequence,
)
from glance3d.results import settle


@dataclass(frozen=True)
class PhotoSetFormat:
    """One kind of folder: what it is, how it is recognised, what reads it.

    ``poses`` and ``axes`` are the conventions of the files. A format that ``finds_photos`` names
    them and leaves their folder open, which may be given.
    """

    description: str
    recognises: Callable[[Path], bool]
    read: Callable[..., PhotoSet]
    poses: str = "world-to-camera"
    axes: str = "opencv"
    finds_photos: bool = False


# In the order in which they are looked for.
PHOTO_SET_FORMATS: dict[str, PhotoSetFormat] = {
    "cameras.json": PhotoSetFormat(
        "images/ and Glance3D's own cameras.json", is_cameras_folder, read_cameras_folder
    ),
    "transforms.json": PhotoSetFormat(
        "transforms.json of nerfstudio, Polycam or Record3D",
        is_transforms_folder,
        read_transforms_folder,
        "camera-to-world",
        "opengl",
        finds_photos=True,
    ),
    "tum-rgbd": PhotoSetFormat(
        "a TUM RGB-D sequence: rgb.txt, depth.txt, groundtruth.txt",
        is_tum_sequence,
        read_tum_sequence,
        "camera-to-world",
    ),
    "scannet": PhotoSetFormat(
        "ScanNet's export: color/, depth/, pose/, intrinsic/",
        is_scannet_export,
        read_scannet_export,
        "camera-to-world",
    ),
    "colmap": PhotoSetFormat(
        "a COLMAP model with its photos",
        is_colmap_model,
        read_colmap_project,
        finds_photos=True,
    ),
}


def load_photo_set(
    path: str | Path, format: str | None = None, photos: str | Path | None = None
) -> PhotoSet:
    """The photo set in a folder.

    Args:
        path: A folder of one of ``PHOTO_SET_FORMATS``.
        format: A key of that table; by default it follows from what is in the folder.
        photos: The folder of the photos, where they do not lie with their cameras.

    Raises:
        ImageError: it is none, or a file is missing or damaged; the message says which.
        InputError: an unknown format, or ``photos`` for one whose photos have their place.
    """
    folder = Path(path)
    if format is not None and format not in PHOTO_SET_FORMATS:
        raise InputError(
            f"unknown format {format!r} of photo sets: choose from {', '.join(PHOTO_SET_FORMATS)}"
        )
    if not folder.is_dir():
        raise ImageError(f"{folder} is no folder: give a photo set. {_readable()}")
    settle(folder)
    for name, entry in PHOTO_SET_FORMATS.items():
        if name == format or (format is None and entry.recognises(folder)):
            if photos is None:
                return entry.read(folder)
            if not entry.finds_photos:
                raise InputError(f"the photos of {name} lie where its files say: leave out photos")
            return entry.read(folder, Path(photos))
    nearly = nearly_tum_sequence(folder)
    raise ImageError(
        f"{folder} has no cameras.json, nor other cameras of photos{nearly}. {_readable()}"
    )


def stated_conventions(photos: PhotoSet) -> Conventions:
    """What the format of a set says that its numbers are."""
    entry = PHOTO_SET_FORMATS[photos.kind]
    return Conventions(entry.poses, entry.axes)


def read_as(photos: PhotoSet, meant: Conventions) -> PhotoSet:
    """The set with its numbers read as they are meant, where that is not as its format says."""
    stated = stated_conventions(photos)
    if meant == stated:
        return photos
    scale = photos.depth_scale
    return replace(
        photos,
        cameras=read_cameras_as(photos.cameras, stated, meant),
        depth_scale=None if scale is None else scale * meant.depth_factor / stated.depth_factor,
        depth_along=meant.depth_along,
    )


def _readable() -> str:
    kinds = "; ".join(entry.description for entry in PHOTO_SET_FORMATS.values())
    return f"Readable: {kinds}"
