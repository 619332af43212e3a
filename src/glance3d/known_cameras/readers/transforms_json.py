"""The cameras of a ``transforms.json`` (:mod:`glance3d.formats.transforms_json`)."""

from pathlib import Path

from glance3d.formats.transforms_json.file import (
    TransformsFile,
    TransformsFrame,
    read_transforms_file,
)
from glance3d.known_cameras.cameras import KnownCamera, KnownCameras


def read_transforms_json(path: Path) -> KnownCameras:
    """The cameras of a ``transforms.json``. Raises ``CamerasError`` that says what is wrong."""
    return cameras_of_transforms(path, read_transforms_file(path))


def cameras_of_transforms(path: Path, file: TransformsFile) -> KnownCameras:
    """The cameras of a ``transforms.json`` that was read from ``path``."""
    frames = file.frames
    warnings = {warning for frame in frames for warning in frame.intrinsics.warnings}
    return KnownCameras(
        source=str(path),
        format="transforms.json",
        cameras=tuple(map(_camera, frames)),
        world=path.name,
        warnings=tuple(sorted(f"{path}: {warning}" for warning in warnings)),
    )


def _camera(frame: TransformsFrame) -> KnownCamera:
    return KnownCamera(
        name=frame.file_path,
        cam_from_world=frame.cam_from_world,
        intrinsics=frame.intrinsics.matrix,
        radial=frame.intrinsics.radial,
        size=frame.intrinsics.size,
        field_of_view_x=frame.intrinsics.field_of_view_x,
        field_of_view_y=frame.intrinsics.field_of_view_y,
    )
