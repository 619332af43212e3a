"""``points.ply``: coloured points, as Gaussian splatting, MeshLab and Open3D read them.

Binary, little-endian. Per vertex: x, y, z (float32, in the world frame: the reference camera's,
OpenCV axes) and red, green, blue (uint8, as in the photos).
"""

from pathlib import Path

import numpy as np

from glance3d.errors import SceneError
from glance3d.exporters.options import ExportOptions, Written
from glance3d.exporters.point_cloud import PointCloud, select_points
from glance3d.files import save_bytes
from glance3d.types import Reconstruction

# Thirty photos make four million points; a million shows the scene and still opens everywhere.
DEFAULT_MAX_POINTS = 1_000_000

_VERTEX = np.dtype(
    [(axis, "<f4") for axis in "xyz"] + [(c, "u1") for c in ("red", "green", "blue")]
)
_TYPE_NAMES = {"f": "float", "u": "uchar"}


def write_ply(scene: Reconstruction, path: Path, options: ExportOptions) -> Written:
    """Write the confident points of a scene that has some."""
    cloud = select_points(scene, options.percentile, options.max_points or DEFAULT_MAX_POINTS)
    if len(cloud) == 0:
        raise SceneError(
            "this scene has no point with a usable depth, so there is no cloud to write"
        )
    save_bytes(path, _header(scene, cloud).encode() + _vertices(cloud).tobytes())
    return Written((path,))


def _header(scene: Reconstruction, cloud: PointCloud) -> str:
    properties = [
        f"property {_TYPE_NAMES[_VERTEX[name].kind]} {name}" for name in _VERTEX.names or ()
    ]
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        "comment world: the reference camera's frame, x right, y down, z forward",
        f"comment units: {scene.units}".encode("ascii", "replace").decode(),
        f"comment {len(cloud)} of {cloud.num_confident} confident points",
        f"element vertex {len(cloud)}",
        *properties,
        "end_header",
    ]
    return "\n".join(lines) + "\n"


def _vertices(cloud: PointCloud) -> np.ndarray:
    vertices = np.empty(len(cloud), _VERTEX)
    for axis, values in zip("xyz", cloud.points_world.numpy().T, strict=True):
        vertices[axis] = values
    for channel, values in zip(("red", "green", "blue"), cloud.colors.numpy().T, strict=True):
        vertices[channel] = values
    return vertices
