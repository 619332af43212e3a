"""The network's tracks as correspondences, beside SIFT's or instead of them."""

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from glance3d.images import Originals
from glance3d.models import VGGT
from glance3d.refinement.matching.features import copy_with_cameras
from glance3d.refinement.matching.matched_photos import MatchedPhotos
from glance3d.refinement.matching.view_graph import read_view_graph
from glance3d.refinement.options import RefineOptions
from glance3d.refinement.pycolmap_interface import import_pycolmap
from glance3d.tracking import Correspondences, estimate_correspondences, finer_preprocessing
from glance3d.tracking.methods import resolve_method

# Of a track's place, in pixels of the network's grid; a geometry that allowed less would refuse
# right matches for being coarse.
_GRID_ERROR = 1.0
_USUAL_ERROR = 4.0


def with_network_tracks(
    shop: MatchedPhotos, network: VGGT, originals: Originals, *, progress: bool = False
) -> MatchedPhotos:
    """The same workshop with the network's tracks among its matches, verified like all others."""
    method = resolve_method("auto", network.config.name, None)
    preprocessing = finer_preprocessing(method, network.preprocessing)
    batch = originals.load(preprocessing)
    batch = replace(batch, masks=shop.scene.masks)
    tracks = estimate_correspondences(
        network, batch, by=method, seed=shop.options.seed, progress=progress
    )
    scale = min(min(placement.scale) for placement in batch.placements)
    error = max(_USUAL_ERROR, _GRID_ERROR / scale)
    database = shop.folder / "tracked.db"
    image_ids = _write_tracks(shop, tracks, database)
    _verify(database, error, shop.options)
    graph = read_view_graph(database, image_ids)
    return shop.with_matches(database, graph)


def _write_tracks(shop: MatchedPhotos, tracks: Correspondences, database: Path) -> list[int]:
    """A copy of the matched database with the tracks' places and matches added."""
    pycolmap = import_pycolmap()
    camera_of_view, cameras, _ = shop.cameras(shop.groups)
    image_ids = copy_with_cameras(shop.matched, database, cameras, camera_of_view)
    keypoint = np.zeros(len(tracks), np.int64)
    views = tracks.view_indices.numpy()
    pixels = tracks.pixels_original.double().numpy()
    content = pycolmap.Database.open(database)
    try:
        for view, image_id in enumerate(image_ids):
            own = np.flatnonzero(views == view)
            old = content.read_keypoints(image_id)[:, :2]
            keypoint[own] = len(old) + np.arange(len(own))
            content.update_keypoints(
                image_id, np.concatenate([old, pixels[own]]).astype(np.float32)
            )
        for (first, second), added in _pairs(tracks, keypoint).items():
            ids = image_ids[first], image_ids[second]
            old = content.read_matches(*ids) if content.exists_matches(*ids) else None
            if old is not None:
                content.delete_matches(*ids)
                added = np.concatenate([old.astype(np.uint32), added])
            content.write_matches(*ids, added)
        content.clear_two_view_geometries()
    finally:
        content.close()
    return image_ids


def _pairs(tracks: Correspondences, keypoint: np.ndarray) -> dict[tuple[int, int], np.ndarray]:
    """For each pair of views the keypoints that one track ties."""
    views, numbers = tracks.view_indices.tolist(), tracks.track_indices.numpy()
    found: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    starts = np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1], True])
    for start, end in pairwise(starts):
        for i in range(start, end):
            for j in range(i + 1, end):
                if views[i] != views[j]:
                    found[views[i], views[j]].append((keypoint[i], keypoint[j]))
    return {pair: np.array(rows, np.uint32) for pair, rows in found.items()}


def _verify(database: Path, error: float, options: RefineOptions) -> None:
    pycolmap = import_pycolmap()
    verification = pycolmap.TwoViewGeometryOptions()
    verification.ransac.random_seed = options.seed
    verification.ransac.max_error = error
    pycolmap.geometric_verification(database, two_view_geometry_options=verification)
