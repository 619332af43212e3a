"""Our own ``cameras.json`` (:mod:`glance3d.formats.cameras_json`), with or without its photos."""

from pathlib import Path

from glance3d.formats.cameras_json import read_cameras_file
from glance3d.known_cameras.cameras import KnownCamera, KnownCameras


def read_cameras_json(path: Path) -> KnownCameras:
    """The cameras of a ``cameras.json``; poses and intrinsics may be missing, each by itself."""
    file = read_cameras_file(path)
    cameras = tuple(
        KnownCamera(view.image, view.cam_from_world, view.intrinsics, view.radial or 0.0, view.size)
        for view in file.views
    )
    return KnownCameras(
        source=str(path),
        format="cameras.json",
        cameras=cameras,
        world=f"{file.world} of {file.name}" if file.world else file.name,
        units="metre" if file.metric else "arbitrary",
    )
