"""``points.ply``: coloured points, as Gaussian splatting, MeshLab and Open3D read them.

Binary, little-endian. Per vertex: x, y, z (float32, in the world's frame, which a comment names)
and red, green, blue (uint8, as in the photos).
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from glance3d.errors import SceneError
from glance3d.exporters.options import ExportOptions, WriteResult
from glance3d.exporters.points.point_cloud import select_points
from glance3d.exporters.world_text import describe_world, world_axes
from glance3d.formats.ply import write_ply_vertices
from glance3d.types import Reconstruction

# Thirty photos make four million points; a million shows the scene and still opens everywhere.
DEFAULT_MAX_POINTS = 1_000_000

_VERTEX = np.dtype(
    [(axis, "<f4") for axis in "xyz"] + [(c, "u1") for c in ("red", "green", "blue")]
)


def write_ply(scene: Reconstruction, path: Path, options: ExportOptions) -> WriteResult:
    """Write the confident points of a scene that has some."""
    budget = options.max_points or DEFAULT_MAX_POINTS
    cloud = select_points(scene, options.percentile, budget, options.measured_only)
    if len(cloud) == 0:
        raise SceneError(
            "this scene has no point with a usable depth, so there is no cloud to write"
        )
    confident = f"{len(cloud)} of {cloud.num_confident} confident points"
    return write_points_ply(scene, path, cloud.points_world, cloud.colors, confident)


def write_points_ply(
    scene: Reconstruction,
    path: Path,
    points_world: Float[Tensor, "points 3"],
    colors: UInt8[Tensor, "points 3"],
    comment: str,
) -> WriteResult:
    """Write these points of the scene's world; ``comment`` says which they are."""
    world = describe_world(scene.world, scene.names[scene.reference_view])
    comments = (f"world: {world}, {world_axes(scene.world)}", f"units: {scene.units}", comment)
    vertices = _vertices(points_world.numpy(), colors.numpy())
    return WriteResult((write_ply_vertices(path, vertices, comments),))


def _vertices(
    points: Float[np.ndarray, "points 3"], colors: UInt8[np.ndarray, "points 3"]
) -> np.ndarray:
    vertices = np.empty(len(points), _VERTEX)
    for axis, values in zip("xyz", points.T, strict=True):
        vertices[axis] = values
    for channel, values in zip(("red", "green", "blue"), colors.T, strict=True):
        vertices[channel] = values
    return vertices
