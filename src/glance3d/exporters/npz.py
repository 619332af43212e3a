"""``scene.npz``: a whole ``Reconstruction`` in one file, for coming back to.

A NumPy archive without pickles. Schema version 1 (S views, H x W the network's grid):

==================  ====================  ========================================================
``format``          text                  "glance3d-scene"
``schema_version``  int                   1; readers refuse a newer one
``names``           text [S]              file names under which results speak of the photos
``sources``         text [S]              where the photos came from
``original_size``   int64 [S, 2]          (width, height) of the upright photos
``processed_size``  int64 [S, 2]          (width, height) of the grid: (W, H)
``scale``           float64 [S, 2]        pixel_processed = pixel_original * scale + offset
``offset``          float64 [S, 2]
``exif_orientation``int64 [S]             as the file had it; already applied
``cam_from_world``  float32 [S, 3, 4]     OpenCV axes; the world is the first camera's frame
``intrinsics``      float32 [S, 3, 3]     pixels of the original photos, origin at the corner
``colors``          uint8 [S, H, W, 3]    what the network saw
``mask``            bool [S, H, W]        False on padding
``depth``           float32 [S, H, W]     z-depth, if predicted
``confidence``      float32 [S, H, W]     only its order means something, if predicted
``points_world``    float32 [S, H, W, 3]  only where depth and cameras do not give it
``points_from``     text                  "depth", "points", or "" without points
``track_positions`` float32 [S, Q, 2]     original pixels; with ``track_visibility`` and
                                          ``track_confidence`` [S, Q]; if predicted
``track_query_views``  int64 [Q]          the view of each query; absent: all in the first
``model``, ``units``, ``report``  text    ``report`` is JSON
==================  ====================  ========================================================

Depth and confidence stay float32, although half of the bytes would do for looking at them: what is
exported from a loaded scene is then the same, to the last bit, as what the first run wrote, and
confidences (exponentials) exceed float16's range. Everything is read back as it was written;
points that were left out come back from depth within float32 rounding.
"""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import SceneError
from glance3d.exporters.options import ExportOptions, Written
from glance3d.files import atomic_file, to_json_text
from glance3d.geometry.cameras import unproject_depth
from glance3d.types import Cameras, Placement, Reconstruction, Tracks

SCENE_FILE = "scene.npz"
FORMAT = "glance3d-scene"
SCHEMA_VERSION = 1


def write_npz(scene: Reconstruction, path: Path, options: ExportOptions) -> Written:
    """Write the whole scene, whatever it holds."""
    arrays = _to_arrays(scene)
    with (
        atomic_file(path) as temporary,
        # Deflating floats takes seconds and saves a tenth; colours and masks alone would not pay.
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)
    return Written((path,))


def load_scene(path: str | Path) -> Reconstruction:
    """Read a ``scene.npz``, or the one in a folder.

    Raises:
        SceneError: there is none, it is no scene, it is damaged, or a newer version wrote it.
    """
    path = Path(path)
    if path.is_dir():
        path = path / SCENE_FILE
    if not path.is_file():
        raise SceneError(f"no saved scene at {path}: give a scene.npz or the folder that holds one")
    if not zipfile.is_zipfile(path):
        raise SceneError(
            f"{path} is not a Glance3D scene, or was cut short; write it again with "
            "'glance3d reconstruct'"
        )
    try:
        with np.load(path, allow_pickle=False) as archive:
            _check_header(path, archive)
            arrays = {name: archive[name] for name in archive.files}
        return _from_arrays(arrays)
    except SceneError:
        raise
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise SceneError(
            f"{path} is no whole Glance3D scene ({type(error).__name__}: {error}); "
            "write it again with 'glance3d reconstruct'"
        ) from error


def _check_header(path: Path, archive: Any) -> None:
    if "format" not in archive.files:
        raise SceneError(f"{path} is not a Glance3D scene; give a scene.npz written by Glance3D")
    if str(archive["format"]) != FORMAT:
        raise SceneError(f"{path} holds a {str(archive['format'])!r}, not a {FORMAT!r}")
    version = int(archive["schema_version"])
    if version > SCHEMA_VERSION:
        raise SceneError(
            f"{path} has schema version {version}, this Glance3D reads up to {SCHEMA_VERSION}: "
            "upgrade glance3d"
        )


def _to_arrays(scene: Reconstruction) -> dict[str, Any]:
    placements = scene.placements
    arrays: dict[str, Any] = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "names": np.array(scene.names),
        "sources": np.array(scene.sources),
        "original_size": np.array([p.original_size for p in placements], np.int64),
        "processed_size": np.array([p.processed_size for p in placements], np.int64),
        "scale": np.array([p.scale for p in placements], np.float64),
        "offset": np.array([p.offset for p in placements], np.float64),
        "exif_orientation": np.array([p.exif_orientation for p in placements], np.int64),
        "cam_from_world": scene.cameras.cam_from_world,
        "intrinsics": scene.cameras.intrinsics,
        "colors": scene.colors,
        "mask": scene.mask,
        "depth": scene.depth,
        "confidence": scene.confidence,
        "points_world": None if _is_derivable(scene) else scene.points_world,
        "points_from": scene.points_from or "",
        "model": scene.model,
        "units": scene.units,
        "report": to_json_text(scene.report),
    }
    if scene.tracks is not None:
        arrays["track_positions"] = scene.tracks.positions
        arrays["track_visibility"] = scene.tracks.visibility
        arrays["track_confidence"] = scene.tracks.confidence
        arrays["track_query_views"] = scene.tracks.query_views
    return {name: array for name, array in arrays.items() if array is not None}


def _is_derivable(scene: Reconstruction) -> bool:
    """Whether depth and cameras give these points, to float32 rounding."""
    if scene.points_world is None or scene.depth is None or scene.points_from != "depth":
        return False
    derived = _points_from_depth(scene.depth, scene.cameras, scene.placements)
    rounding = 1e-5 * scene.depth.abs().unsqueeze(-1) + 1e-5 * scene.points_world.abs()
    near = (derived - scene.points_world).abs() <= rounding
    same = near | ~torch.isfinite(scene.points_world)
    return bool(same.all())


def _points_from_depth(
    depth: Float[Tensor, "views height width"], cameras: Cameras, placements: tuple[Placement, ...]
) -> Float[Tensor, "views height width 3"]:
    intrinsics_processed = torch.stack(
        [
            placement.intrinsics_to_processed(matrix)
            for placement, matrix in zip(placements, cameras.intrinsics, strict=True)
        ]
    )
    return unproject_depth(depth, cameras.cam_from_world, intrinsics_processed)


def _from_arrays(arrays: dict[str, np.ndarray]) -> Reconstruction:
    placements = _placements(arrays)
    tensors = {
        name: torch.from_numpy(array)
        for name, array in arrays.items()
        if array.dtype.kind in "fiub"
    }
    cameras = Cameras(tensors["cam_from_world"], tensors["intrinsics"], tensors["original_size"])
    depth, points = tensors.get("depth"), tensors.get("points_world")
    points_from = str(arrays["points_from"]) or None
    _check_shapes(tensors, len(arrays["names"]))
    if points is None and points_from == "depth":
        points = _points_from_depth(tensors["depth"], cameras, placements)
    return Reconstruction(
        names=tuple(arrays["names"].tolist()),
        sources=tuple(arrays["sources"].tolist()),
        placements=placements,
        cameras=cameras,
        colors=tensors["colors"],
        mask=tensors["mask"],
        depth=depth,
        points_world=points,
        confidence=tensors.get("confidence"),
        points_from=points_from,
        tracks=_tracks(tensors),
        model=str(arrays["model"]),
        units=str(arrays["units"]),
        report=json.loads(str(arrays["report"])),
    )


def _placements(arrays: dict[str, np.ndarray]) -> tuple[Placement, ...]:
    fields = ("original_size", "processed_size", "scale", "offset", "exif_orientation")
    rows = zip(*(arrays[name].tolist() for name in fields), strict=True)
    return tuple(
        Placement(tuple(original), tuple(processed), tuple(scale), tuple(offset), orientation)
        for original, processed, scale, offset, orientation in rows
    )


def _tracks(tensors: dict[str, Tensor]) -> Tracks | None:
    if "track_positions" not in tensors:
        return None
    return Tracks(
        tensors["track_positions"],
        tensors["track_visibility"],
        tensors["track_confidence"],
        tensors.get("track_query_views"),
    )


def _check_shapes(tensors: dict[str, Tensor], num_views: int) -> None:
    """Refuse arrays that do not belong together."""
    grid = (num_views, *tensors["colors"].shape[1:3])
    wanted: dict[str, tuple[int, ...]] = {
        "original_size": (num_views, 2),
        "cam_from_world": (num_views, 3, 4),
        "intrinsics": (num_views, 3, 3),
        "colors": (*grid, 3),
        "mask": grid,
        "depth": grid,
        "confidence": grid,
        "points_world": (*grid, 3),
    }
    for name, shape in wanted.items():
        if name in tensors and tuple(tensors[name].shape) != shape:
            raise SceneError(
                f"the saved scene's {name} has shape {tuple(tensors[name].shape)}, not {shape}: "
                "the file is damaged"
            )
