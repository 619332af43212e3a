"""``cameras.json``: the cameras in plain text, with their conventions beside them.

The layout is the one that ``glance3d evaluate`` and :mod:`glance3d.datasets` read: per view
``image``, ``size`` (width, height), ``intrinsics`` (3x3) and ``cam_from_world`` (3x4); ``radial``
(k1) where the lens bends; ``physical`` where it is known which photos one camera took (they have
the same number); ``depth`` where there is a depth PNG (times ``depth_scale``, 0 = unknown).
"""

from pathlib import Path
from typing import Any

from glance3d.exporters.maps.depth_png import DEPTH_FOLDER, depth_scale, has_depth_pngs
from glance3d.exporters.options import ExportOptions, WriteResult
from glance3d.exporters.photos import photos_folder
from glance3d.exporters.world_text import describe_world, world_axes
from glance3d.files.atomic import save_json
from glance3d.images.naming.file_names import depth_file_names, photo_file_names
from glance3d.types import Reconstruction

CONVENTIONS = {
    "cam_from_world": "3x4 [R | t]; a world point p is R p + t in the camera",
    "axes": "a camera's, OpenCV: x right, y down, z forward",
    "pixels": "of the original photo turned upright; the top-left pixel's centre is (0.5, 0.5)",
    "intrinsics": "3x3 pinhole, pixels of an image of `size` (width, height)",
    "radial": "lens distortion k1, none if absent: (u, v) = (x/z, y/z) of the camera is seen at "
    "(u, v) * (1 + k1 * (u^2 + v^2)), before the intrinsics (COLMAP's SIMPLE_RADIAL)",
    "depth": "16-bit PNG of z-depth along the camera's z axis, times `depth_scale`; 0 is unknown",
}


def write_cameras_json(scene: Reconstruction, path: Path, options: ExportOptions) -> WriteResult:
    """Write every camera; needs neither depth nor points."""
    with_depth = has_depth_pngs(scene, path.parent, options)
    folder = photos_folder(scene, options.final(path.parent)).name
    views: list[dict[str, Any]] = [
        {
            "image": f"{folder}/{name}",
            "source": source,
            "size": list(placement.original_size),
            "intrinsics": intrinsics.tolist(),
            "cam_from_world": pose.tolist(),
        }
        for name, source, placement, intrinsics, pose in zip(
            photo_file_names(scene),
            scene.sources,
            scene.placements,
            scene.cameras.intrinsics.double(),
            scene.cameras.cam_from_world.double(),
            strict=True,
        )
    ]
    for key, values in (("radial", scene.cameras.radial), ("physical", scene.cameras.camera_ids)):
        if values is not None:
            for view, value in zip(views, values.tolist(), strict=True):
                view[key] = value
    if with_depth:
        for view, name in zip(views, depth_file_names(scene), strict=True):
            view["depth"] = f"{DEPTH_FOLDER}/{name}"
    content = {
        "name": options.final(path).resolve().parent.name,
        "about": f"cameras by Glance3D with the model {scene.model or 'unknown'}",
        "conventions": CONVENTIONS,
        "world": {
            "name": scene.world,
            "is": describe_world(scene.world, views[scene.reference_view]["image"]),
            "axes": world_axes(scene.world),
        },
        "units": scene.units,
        "metric": scene.units != "arbitrary",
        "depth_scale": depth_scale(scene) if with_depth else None,
        "views": views,
    }
    return WriteResult((save_json(path, content),))
