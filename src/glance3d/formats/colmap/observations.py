"""The points of a COLMAP model with the pixels at which photos see them, of either file format."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8

from glance3d.errors import CamerasError
from glance3d.files.text_input import read_text
from glance3d.formats.colmap.binary import read_binary_model
from glance3d.formats.colmap.records import ColmapPoints2D
from glance3d.formats.colmap.text import read_text_points2d


@dataclass(frozen=True)
class ColmapObservations:
    """Points, and one row for each pixel at which a photo sees one.

    ``image_ids`` and ``point_indices`` say who sees which point, ``pixels`` where; ``image_names``
    are the photos by their ids.
    """

    xyz: Float[np.ndarray, "points 3"]
    colors: UInt8[np.ndarray, "points 3"]
    image_ids: Int[np.ndarray, " observations"]
    point_indices: Int[np.ndarray, " observations"]
    pixels: Float[np.ndarray, "observations 2"]
    image_names: dict[int, str]


def read_binary_observations(folder: Path) -> ColmapObservations:
    """From ``images.bin`` and ``points3D.bin``. Raises ``CamerasError`` where one is damaged."""
    model = read_binary_model(folder)
    photos = {i: (image.name, image.points2d) for i, image in model.images.items()}
    return _joined(photos, model.points.ids, model.points.xyz, model.points.colors)


def read_text_observations(folder: Path) -> ColmapObservations:
    """From ``images.txt`` and ``points3D.txt``. Raises ``CamerasError`` where one is damaged."""
    path = folder / "points3D.txt"
    rows = []
    for number, line in enumerate(read_text(path, error=CamerasError).split("\n"), start=1):
        words = line.split(maxsplit=7)[:7]
        if not words or words[0].startswith("#"):
            continue
        try:
            rows.append([float(word) for word in words])
        except ValueError:
            rows.append([])
        if len(rows[-1]) != 7 or not (np.abs(rows[-1]) < 2**53).all():
            raise CamerasError(f"line {number} of {path} must be id x y z r g b error track ...")
    values = np.array(rows, np.float64).reshape(-1, 7)
    colors = values[:, 4:].clip(0, 255).astype(np.uint8)
    photos = read_text_points2d(folder / "images.txt")
    return _joined(photos, values[:, 0].astype(np.int64), values[:, 1:4], colors)


def _joined(
    photos: dict[int, tuple[str, ColmapPoints2D | None]],
    ids: Int[np.ndarray, " points"],
    xyz: Float[np.ndarray, "points 3"],
    colors: UInt8[np.ndarray, "points 3"],
) -> ColmapObservations:
    """Observations of the points that there are."""
    order = np.argsort(ids)
    images, points, pixels = [], [], []
    for image_id, (_, seen) in photos.items():
        if seen is None or not len(ids) or not len(seen.xy):
            continue
        place = np.searchsorted(ids, seen.point3d_ids, sorter=order).clip(max=len(ids) - 1)
        index = order[place]
        known = (ids[index] == seen.point3d_ids) & np.isfinite(seen.xy).all(-1)
        images.append(np.full(int(known.sum()), image_id, np.int64))
        points.append(index[known])
        pixels.append(seen.xy[known])
    return ColmapObservations(
        np.ascontiguousarray(xyz),
        np.ascontiguousarray(colors),
        np.concatenate(images) if images else np.zeros(0, np.int64),
        np.concatenate(points) if points else np.zeros(0, np.int64),
        np.concatenate(pixels) if pixels else np.zeros((0, 2)),
        {image_id: name for image_id, (name, _) in photos.items()},
    )
