"""``points.las`` and ``points.laz``: the coloured points for surveying and GIS.

LAS 1.2, point format 2 (ASPRS): coordinates are whole steps of a thousandth of a metre, or where
lengths have no unit, of a ten-millionth of the cloud's extent; 16-bit colours;
``point_source_id`` is the number of the photo, from 1. What the world's frame and units are is in a
text area description (``LASF_Spec``, record 3): the frames that photos give (a camera's, or
east-north-up about a stated place) have no EPSG code.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np

from glance3d._version import __version__
from glance3d.errors import MissingExtraError, SceneError
from glance3d.exporters.options import ExportOptions, WriteResult
from glance3d.exporters.points.point_cloud import PointCloud, select_points
from glance3d.exporters.world_text import describe_units, describe_world, world_axes
from glance3d.files.atomic import save_bytes
from glance3d.types import Reconstruction

DEFAULT_MAX_POINTS = 10_000_000
_MILLIMETRE = 1e-3
_TEXT_AREA = 3
_LONGEST_RECORD = 65_000
_LAST_SOURCE = 65_535


def write_las(scene: Reconstruction, path: Path, options: ExportOptions) -> WriteResult:
    """Write the confident points; compressed where the path ends in ``.laz``.

    Raises:
        MissingExtraError: laspy or, for ``.laz``, lazrs is not installed.
        SceneError: there is no point to write.
    """
    laspy = _import_laspy(path)
    budget = options.max_points or DEFAULT_MAX_POINTS
    cloud = select_points(scene, options.percentile, budget, options.measured_only)
    if len(cloud) == 0:
        raise SceneError(
            "this scene has no point with a usable depth, so there is no cloud to write"
        )
    content = io.BytesIO()
    _las(laspy, scene, cloud).write(content, do_compress=path.suffix.lower() == ".laz")
    save_bytes(path, content.getvalue())
    return WriteResult((path,))


def _import_laspy(path: Path) -> Any:
    try:
        import laspy

        if path.suffix.lower() == ".laz":
            import lazrs  # noqa: F401 (laspy finds it by itself)
    except ImportError as error:
        raise MissingExtraError(f"writing {path.name}", "laspy and lazrs", "las") from error
    return laspy


def _las(laspy: Any, scene: Reconstruction, cloud: PointCloud) -> Any:
    points = cloud.points_world.double().numpy()
    header = laspy.LasHeader(version="1.2", point_format=2)
    header.offsets = points.min(0).round(3)
    header.scales = np.full(3, _step(scene, points))
    header.system_identifier = "photographs"
    header.generating_software = f"glance3d {__version__}"[:32]
    header.vlrs.append(
        laspy.VLR("LASF_Spec", _TEXT_AREA, "world frame and units", _text(scene).encode())
    )
    las = laspy.LasData(header)
    las.x, las.y, las.z = points.T
    # LAS colours are 16 bits wide: 255 becomes 65535.
    las.red, las.green, las.blue = cloud.colors.numpy().astype(np.uint16).T * 257
    las.point_source_id = (cloud.view_indices.numpy() + 1).clip(max=_LAST_SOURCE).astype(np.uint16)
    return las


def _step(scene: Reconstruction, points: np.ndarray) -> float:
    """What one whole number of a coordinate stands for; all must fit into 31 bits."""
    extent = float(np.ptp(points, axis=0).max())
    finest = 10.0 ** np.ceil(np.log10(max(extent, 1e-12) / 2**30))
    if scene.units == "arbitrary":
        return float(10.0 ** np.floor(np.log10(max(extent, 1e-12) * 1e-7) + 1e-9))
    return max(_MILLIMETRE, float(finest))


def _text(scene: Reconstruction) -> str:
    world = describe_world(scene.world, scene.names[scene.reference_view])
    text = f"world: {world}; axes: {world_axes(scene.world)}; {describe_units(scene.units)}"
    return text.encode("ascii", "replace").decode()[:_LONGEST_RECORD]
