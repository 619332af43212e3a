"""A COLMAP model with its photos; its points are depth where they were seen."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from glance3d.errors import CamerasError
from glance3d.formats.colmap.model import read_colmap_observations
from glance3d.known_cameras import KnownCameras
from glance3d.known_cameras.readers.colmap import read_colmap
from glance3d.photo_sets.assembly import PhotosWithCameras, photos_with_cameras
from glance3d.photo_sets.photo_set import PhotoSet
from glance3d.photo_sets.readers.cameras_json import masks_below
from glance3d.types import SparsePoints


def read_colmap_project(folder: Path, photos: Path | None = None) -> PhotoSet:
    """The registered photos of the model, with its points."""
    known = read_colmap(folder)
    found = photos_with_cameras(known, folder, photos)
    warnings = [*found.warnings]
    sparse = None
    if any(turn != 1 for turn in found.orientations):
        warnings.append(
            "photos are turned by their EXIF orientation: the points of the model, whose pixels "
            "are not, are left out"
        )
    else:
        try:
            sparse = _points(known, found)
        except CamerasError as error:
            warnings.append(f"the points of the model are not used: {error}")
        else:
            if sparse is None:
                warnings.append(f"{known.source} has no points that these photos see")
    return PhotoSet(
        folder.resolve().name,
        found.paths,
        found.cameras,
        (None,) * len(found.paths),
        None,
        False,
        known.units,
        masks_below(folder, found.paths),
        sparse,
        "colmap",
        tuple(warnings),
    )


def _points(known: KnownCameras, found: PhotosWithCameras) -> SparsePoints | None:
    """Points with their observations in the photos that were found, sorted by view.

    Raises:
        CamerasError: The model has none, or they cannot be read.
    """
    observed = read_colmap_observations(Path(known.source))
    view_of_image = _views_of_images(observed.image_names, found.paths)
    images, image_of_row = np.unique(observed.image_ids, return_inverse=True)
    view_of = np.array([view_of_image.get(image, -1) for image in images.tolist()], np.int64)
    views = view_of[image_of_row]
    kept = np.flatnonzero(views >= 0)
    kept = kept[np.argsort(views[kept], kind="stable")]
    if not len(kept):
        return None
    stated = {camera.name: camera.size for camera in known.cameras}
    # Width and height of a photo over those that its camera in the model is for.
    resized = np.ones((len(images), 2))
    for row, image in enumerate(images.tolist()):
        size = stated.get(observed.image_names[image])
        if image in view_of_image and size is not None:
            resized[row] = found.cameras.image_sizes[view_of_image[image]].numpy() / np.array(size)
    points, renumbered = np.unique(observed.point_indices[kept], return_inverse=True)
    return SparsePoints(
        torch.from_numpy(observed.xyz[points]),
        torch.from_numpy(observed.colors[points]),
        torch.from_numpy(views[kept]),
        torch.from_numpy(renumbered.astype(np.int64)),
        torch.from_numpy(observed.pixels[kept] * resized[image_of_row[kept]]),
    )


def _views_of_images(names: dict[int, str], paths: Sequence[Path]) -> dict[int, int]:
    """The view of each image, by the longest end of its path that is the image's name."""
    views = {}
    for image_id, name in names.items():
        parts = Path(name.replace("\\", "/")).parts
        matches = [view for view, path in enumerate(paths) if path.parts[-len(parts) :] == parts]
        if len(matches) == 1:
            views[image_id] = matches[0]
    return views
