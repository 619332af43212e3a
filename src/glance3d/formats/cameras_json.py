"""``cameras.json``: the layout that Glance3D writes and that photo sets with true cameras have::

    {"units": "metre", "metric": true, "depth_scale": 0.001, "views": [{...}, ...]}

Each entry of ``views`` has ``image`` (a path within the folder) and, as far as they are known,
``size`` (width, height), ``intrinsics`` (3x3, pixels, the top-left pixel's centre at (0.5, 0.5)),
``radial`` (k1 of COLMAP's SIMPLE_RADIAL), ``cam_from_world`` (3x4, OpenCV axes), ``physical`` (the
number of the camera that took it: photos of one camera have the same) and ``depth`` (the path of a
16-bit depth map; times ``depth_scale`` it is in ``units``, 0 is unknown).
"""

import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from glance3d.errors import CamerasError
from glance3d.files.atomic import save_json
from glance3d.files.json_input import read_json_object, read_number
from glance3d.formats.camera_values import read_intrinsics, read_pose, read_radial, read_size

CAMERAS_FILE = "cameras.json"
CONVENTIONS = {
    "cam_from_world": "3x4 [R | t]; a world point p is R p + t in the camera",
    "axes": "a camera's, OpenCV: x right, y down, z forward",
    "pixels": "of the original photo turned upright; the top-left pixel's centre is (0.5, 0.5)",
    "intrinsics": "3x3 pinhole, pixels of an image of `size` (width, height)",
    "radial": "lens distortion k1, none if absent: (u, v) = (x/z, y/z) of the camera is seen at "
    "(u, v) * (1 + k1 * (u^2 + v^2)), before the intrinsics (COLMAP's SIMPLE_RADIAL)",
    "depth": "16-bit PNG of z-depth along the camera's z axis, times `depth_scale`; 0 is unknown",
}


@dataclass(frozen=True)
class CamerasFileView:
    """One photo's entry; matrices are float64, None is not stated.

    ``camera_id`` stands under ``physical``. ``source`` is where the photo came from; it is written
    and not read.
    """

    image: str
    size: tuple[int, int] | None
    intrinsics: Float[Tensor, "3 3"] | None
    cam_from_world: Float[Tensor, "3 4"] | None
    radial: float | None = None
    camera_id: int | None = None
    depth: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class CamerasFile:
    """A whole file; lengths are in ``units``, ``metric`` says whether those are a true measure.

    ``world`` names the frame of the poses. ``about``, and the frame in words (``world_is``,
    ``world_axes``), are for people: they are written and not read.
    """

    name: str
    world: str
    units: str
    metric: bool
    depth_scale: float | None
    views: tuple[CamerasFileView, ...]
    about: str = ""
    world_is: str = ""
    world_axes: str = ""


def read_cameras_file(path: str | Path) -> CamerasFile:
    """Read a ``cameras.json``. Raises ``CamerasError`` that says which entry is wrong, and how."""
    path = Path(path)
    record = read_json_object(path, error=CamerasError)
    views = record.get("views")
    if not isinstance(views, list) or not views:
        raise CamerasError(f"{path} must list views, one entry a photo, got none")
    scale, world = record.get("depth_scale"), record.get("world")
    return CamerasFile(
        name=str(record.get("name", path.resolve().parent.name)),
        world=str(world.get("name", "") if isinstance(world, dict) else world or ""),
        units=str(record.get("units", "arbitrary")),
        metric=bool(record.get("metric", False)),
        depth_scale=None
        if scale is None
        else read_number(scale, f"depth_scale of {path}", error=CamerasError, low=1e-9, high=1e9),
        views=tuple(_view(entry, f"view {n} of {path}") for n, entry in enumerate(views)),
    )


def write_cameras_file(path: Path, file: CamerasFile) -> Path:
    """Write a ``cameras.json``, with its conventions in words; return ``path``."""
    content = {
        "name": file.name,
        "about": file.about,
        "conventions": CONVENTIONS,
        "world": {"name": file.world, "is": file.world_is, "axes": file.world_axes},
        "units": file.units,
        "metric": file.metric,
        "depth_scale": file.depth_scale,
        "views": [_entry(view) for view in file.views],
    }
    return save_json(path, content)


def _entry(view: CamerasFileView) -> dict[str, Any]:
    values = {
        "image": view.image,
        "source": view.source,
        "size": None if view.size is None else list(view.size),
        "intrinsics": None if view.intrinsics is None else view.intrinsics.tolist(),
        "cam_from_world": None if view.cam_from_world is None else view.cam_from_world.tolist(),
        "radial": view.radial,
        "physical": view.camera_id,
        "depth": view.depth,
    }
    return {key: value for key, value in values.items() if value is not None}


def _view(entry: Any, where: str) -> CamerasFileView:
    if not isinstance(entry, dict):
        raise CamerasError(f"{where} must be an object, got a {type(entry).__name__}")
    image, depth, camera_id = (entry.get(key) for key in ("image", "depth", "physical"))
    if not isinstance(image, str):
        raise CamerasError(
            f"image of {where} must be a path such as images/1.jpg, got {reprlib.repr(image)}"
        )
    intrinsics, pose = entry.get("intrinsics"), entry.get("cam_from_world")
    return CamerasFileView(
        image=image,
        size=None if entry.get("size") is None else read_size(entry["size"], f"size of {where}"),
        intrinsics=None
        if intrinsics is None
        else read_intrinsics(intrinsics, f"intrinsics of {where}"),
        cam_from_world=None if pose is None else read_pose(pose, f"cam_from_world of {where}"),
        radial=read_radial(entry["radial"], f"radial of {where}") if "radial" in entry else None,
        camera_id=camera_id if _is_camera_id(camera_id) else None,
        depth=None if depth is None else str(depth),
    )


def _is_camera_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
