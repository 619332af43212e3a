"""The one table of files that cameras are read from. A new format is a reader, and a line here.

The files themselves are read in :mod:`glance3d.formats`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from glance3d.errors import CamerasError, InputError
from glance3d.files.json_input import read_json_object
from glance3d.formats.cameras_json import CAMERAS_FILE
from glance3d.formats.colmap.model import is_colmap_model
from glance3d.formats.tum import is_tum_trajectory
from glance3d.known_cameras.cameras import KnownCameras, near_the_origin
from glance3d.known_cameras.readers.cameras_json import read_cameras_json
from glance3d.known_cameras.readers.colmap import read_colmap
from glance3d.known_cameras.readers.transforms_json import read_transforms_json
from glance3d.known_cameras.readers.tum import read_tum
from glance3d.results import settle

UNITS = ("arbitrary", "metre")


@dataclass(frozen=True)
class CamerasFormat:
    """One kind of file: what it is, how it is recognised, what reads it."""

    description: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], KnownCameras]
    file_in_folder: str | None = None


def _is_json_with(key: str) -> Callable[[Path], bool]:
    def recognises(path: Path) -> bool:
        if not path.is_file() or path.suffix.lower() != ".json":
            return False
        return key in read_json_object(path, error=CamerasError)

    return recognises


# In the order in which they are looked for; a folder of Glance3D's own holds the first three.
CAMERA_FORMATS: dict[str, CamerasFormat] = {
    "cameras.json": CamerasFormat(
        "Glance3D's own cameras.json", _is_json_with("views"), read_cameras_json, CAMERAS_FILE
    ),
    "colmap": CamerasFormat(
        "a COLMAP model: a folder with cameras and images, text or binary",
        is_colmap_model,
        read_colmap,
    ),
    "transforms.json": CamerasFormat(
        "transforms.json of nerfstudio or instant-ngp",
        _is_json_with("frames"),
        read_transforms_json,
        "transforms.json",
    ),
    "tum": CamerasFormat(
        "a TUM trajectory: lines of timestamp tx ty tz qx qy qz qw",
        is_tum_trajectory,
        read_tum,
    ),
}


def load_known_cameras(
    path: str | Path, *, format: str | None = None, units: str | None = None
) -> KnownCameras:
    """Read known cameras from a file or folder of any supported format.

    Args:
        path: ``cameras.json``, ``transforms.json``, a COLMAP model, or a TUM trajectory.
        format: A key of ``CAMERA_FORMATS``; by default it follows from the content.
        units: The unit of lengths if the file does not state one: with "metre" results are in
            metres.

    Returns:
        The cameras: 3x4 ``cam_from_world`` with OpenCV axes, intrinsics in pixels, each as far as
        it is known. The origin of map coordinates is moved near the cameras.

    Raises:
        CamerasError: there is nothing to read, or it is damaged; the message says where.
        InputError: an unknown format or unit.
    """
    path = Path(path)
    if format is not None and format not in CAMERA_FORMATS:
        raise InputError(
            f"unknown cameras format {format!r}: choose from {', '.join(CAMERA_FORMATS)}"
        )
    if units is not None and units not in UNITS:
        raise InputError(f"unknown unit {units!r} of cameras: choose from {', '.join(UNITS)}")
    if not path.exists():
        raise CamerasError(f"there is no file or folder of cameras at {path}")
    settle(path)
    known = near_the_origin(_read(path, format))
    return known if units is None else replace(known, units=units)


def _read(path: Path, name: str | None) -> KnownCameras:
    for key, known_format in CAMERA_FORMATS.items():
        file = path
        if path.is_dir() and known_format.file_in_folder is not None:
            file = path / known_format.file_in_folder
        if key == name or (name is None and known_format.recognises(file)):
            return known_format.read(file)
    kinds = "; ".join(known_format.description for known_format in CAMERA_FORMATS.values())
    raise CamerasError(f"{path} holds no cameras that can be read. Readable: {kinds}")
