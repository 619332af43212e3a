"""``gaussians.ply``: 3-D Gaussians to start training from, or to look at as they are.

The layout of Kerbl et al., "3D Gaussian splatting for real-time radiance field rendering" (2023),
which gsplat, nerfstudio's splatfacto, SuperSplat and others load: per Gaussian ``x y z``, normals
(0), colour as spherical harmonics of degree 3 (``f_dc_*``; ``f_rest_*`` are 0: no colour depends on
the direction yet), ``opacity`` as a logit, ``scale_*`` as logarithms, ``rot_*`` as a unit
quaternion w x y z. As in section 5.1 there, every Gaussian is a ball whose radius is the distance
to its three nearest neighbours, and a tenth opaque.

Positions are the measured points where there are enough, else the dense cloud. Trainers that take
a COLMAP model start from its points3D just as well, and need no file of Gaussians.
"""

import math
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from glance3d.errors import SceneError
from glance3d.exporters.options import ExportOptions, WriteResult
from glance3d.exporters.points.point_cloud import has_points, select_points
from glance3d.exporters.world_text import describe_units, describe_world, world_axes
from glance3d.formats.ply import write_ply_vertices
from glance3d.geometry.neighbours import neighbour_distances
from glance3d.types import Reconstruction

DEFAULT_MAX_POINTS = 200_000
START_OPACITY = 0.1
# The first spherical harmonic, 1 / (2 sqrt(pi)), and how many coefficients follow up to degree 3.
SH_DC = 0.28209479177387814
_NUM_REST = 3 * 15
_ENOUGH_MEASURED = 1000
# Of the median radius: twins at one place would be needles, and lone points balloons.
_SMALLEST, _LARGEST = 0.05, 20.0

PROPERTIES = (
    *("x", "y", "z", "nx", "ny", "nz"),
    *(f"f_dc_{channel}" for channel in range(3)),
    *(f"f_rest_{index}" for index in range(_NUM_REST)),
    "opacity",
    *(f"scale_{axis}" for axis in range(3)),
    *(f"rot_{part}" for part in range(4)),
)


def write_gaussians(scene: Reconstruction, path: Path, options: ExportOptions) -> WriteResult:
    """Write a Gaussian for each point. Raises ``SceneError`` where there is none."""
    points, colors, kind = _start(scene, options)
    if len(points) == 0:
        raise SceneError("this scene has no point with a usable depth to start a Gaussian from")
    rows = np.zeros((len(points), len(PROPERTIES)), "<f4")
    column = {name: index for index, name in enumerate(PROPERTIES)}
    rows[:, :3] = points.float().numpy()
    rows[:, column["f_dc_0"] : column["f_dc_2"] + 1] = (colors.numpy() / 255 - 0.5) / SH_DC
    rows[:, column["opacity"]] = math.log(START_OPACITY / (1 - START_OPACITY))
    radii = _radii(points.float()).log().numpy()
    rows[:, column["scale_0"] : column["scale_2"] + 1] = radii[:, None]
    rows[:, column["rot_0"]] = 1.0
    world = describe_world(scene.world, scene.names[scene.reference_view])
    comments = (
        f"3-D Gaussians to start from, at {kind}",
        f"world: {world}, {world_axes(scene.world)}; {describe_units(scene.units)}",
    )
    gaussians = rows.view([(name, "<f4") for name in PROPERTIES])[:, 0]
    return WriteResult((write_ply_vertices(path, gaussians, comments),))


def _start(
    scene: Reconstruction, options: ExportOptions
) -> tuple[Float[Tensor, "points 3"], UInt8[Tensor, "points 3"], str]:
    if scene.sparse is not None and len(scene.sparse) >= _ENOUGH_MEASURED:
        return scene.sparse.points_world, scene.sparse.colors, "measured points"
    if not has_points(scene):
        return torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.uint8), "no points"
    budget = options.max_points or DEFAULT_MAX_POINTS
    cloud = select_points(scene, options.percentile, budget, options.measured_only)
    return cloud.points_world, cloud.colors, "points of the depth maps"


def _radii(points: Float[Tensor, "points 3"]) -> Float[Tensor, " points"]:
    radii = neighbour_distances(points, 3)
    known = radii[radii > 0]
    middle = float(known.median()) if len(known) else 1.0
    return radii.clamp(_SMALLEST * middle, _LARGEST * middle)
