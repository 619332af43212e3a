"""Depth as it is, in float32 at the photos' size: TIFF or OpenEXR, one file a photo.

z-depth (along the camera's z axis) in the scene's units; 0 means unknown, as in the depth PNGs:
padding, sky, and what a photo's mask leaves out. Values are the grid's, enlarged without mixing
neighbours, so that no depth appears between a near and a far surface. EXR files have one channel,
``Z``, and say units and meaning in their headers.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from glance3d.errors import MissingExtraError
from glance3d.exporters.maps.depth_png import DepthView, depth_and_valid
from glance3d.exporters.options import ExportOptions, WriteResult
from glance3d.files.atomic import atomic_file
from glance3d.images.naming.file_names import Photos, depth_file_names
from glance3d.types import Reconstruction

MEANING = "z-depth along the camera's z axis; 0 is unknown"
_Values = Float[np.ndarray, "height width"]


def write_depth_tiffs(scene: Reconstruction, path: Path, options: ExportOptions) -> WriteResult:
    """Write the folder ``path`` with one float32 TIFF a view."""

    def write(values: _Values, target: Path) -> None:
        description = f"{MEANING}; units: {scene.units}"
        Image.fromarray(values).save(
            target, "TIFF", compression="tiff_adobe_deflate", description=description
        )

    return _write_each(scene, path, ".tiff", write)


def write_depth_exrs(scene: Reconstruction, path: Path, options: ExportOptions) -> WriteResult:
    """Write the folder ``path`` with one float32 OpenEXR a view.

    Raises:
        MissingExtraError: OpenEXR is not installed.
    """
    try:
        import OpenEXR  # pyrefly: ignore[missing-import] (it has no types)
    except ImportError as error:
        raise MissingExtraError("writing EXR depth", "openexr", "exr") from error

    def write(values: _Values, target: Path) -> None:
        header = {
            "compression": OpenEXR.ZIP_COMPRESSION,
            "type": OpenEXR.scanlineimage,
            "comments": MEANING,
            "units": scene.units,
        }
        try:
            OpenEXR.File(header, {"Z": np.ascontiguousarray(values)}).write(str(target))
        except RuntimeError as error:  # how it says that a disk is full
            raise OSError(str(error)) from error

    return _write_each(scene, path, ".exr", write)


def depth_tiff_names(scene: Photos) -> list[str]:
    """Of all files in the folder."""
    return [_with_suffix(name, ".tiff") for name in depth_file_names(scene)]


def depth_exr_names(scene: Photos) -> list[str]:
    """Of all files in the folder."""
    return [_with_suffix(name, ".exr") for name in depth_file_names(scene)]


def _with_suffix(name: str, suffix: str) -> str:
    return Path(name).with_suffix(suffix).name


def _write_each(
    scene: Reconstruction, path: Path, suffix: str, write: Callable[[_Values, Path], None]
) -> WriteResult:
    paths = []
    for name, values in zip(depth_file_names(scene), depth_maps(scene), strict=True):
        target = path / _with_suffix(name, suffix)
        with atomic_file(target) as temporary:
            write(values, temporary)
        paths.append(target)
    return WriteResult(tuple(paths))


def depth_maps(scene: Reconstruction) -> Iterator[_Values]:
    """Each view's depth at its photo's size."""
    depth, valid = depth_and_valid(scene)
    for view, placement in enumerate(scene.placements):
        mask = scene.masks[view] if scene.masks else None
        enlarged = DepthView(depth[view], valid[view], placement, mask).values_at_original_size()
        yield np.asarray(enlarged, np.float32)
