"""The network's tracks as correspondences, beside SIFT's or instead of them."""

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt32

from glance3d.images import Originals
from glance3d.models import Network
from glance3d.refinement.matching.database import copy_with_cameras, open_database
from glance3d.refinement.matching.matched_photos import MatchedPhotos, read_matches
from glance3d.refinement.options import RefineOptions
from glance3d.refinement.pycolmap_interface import import_pycolmap
from glance3d.tracking import Correspondences, estimate_correspondences, finer_preprocessing
from glance3d.tracking.methods import resolve_without_scene

# How exact a track's place is, in pixels of the network's grid; a tolerance below that would refute
# right matches for being coarse.
_GRID_ERROR = 1.0
# COLMAP's own tolerance of two-view geometry, in pixels of the original photos.
_USUAL_ERROR = 4.0


def add_network_tracks(
    photos: MatchedPhotos, network: Network, originals: Originals, *, progress: bool = False
) -> MatchedPhotos:
    """The same photos with the network's tracks among their matches, verified like all others."""
    method = resolve_without_scene("auto", network.config)
    preprocessing = finer_preprocessing(method, network.preprocessing)
    batch = originals.load(preprocessing)
    batch = replace(batch, masks=photos.scene.masks)
    tracks = estimate_correspondences(
        network, batch, by=method, seed=photos.options.seed, progress=progress
    )
    scale = min(min(placement.scale) for placement in batch.placements)
    database = photos.database.with_name("tracked.db")
    image_ids = _write_tracks(photos, tracks, database)
    _verify(database, max(_USUAL_ERROR, _GRID_ERROR / scale), photos.options)
    return read_matches(photos.scene, photos.options, photos.initial_cameras, database, image_ids)


def _write_tracks(photos: MatchedPhotos, tracks: Correspondences, database: Path) -> list[int]:
    """A copy of the photos' database with the tracks' places and matches added; the image ids."""
    image_ids = copy_with_cameras(photos.database, database, photos.initial_cameras.assign())
    keypoint = np.zeros(len(tracks), np.int64)  # for each observation its feature's number
    views = tracks.view_indices.numpy()
    pixels = tracks.pixels_original.double().numpy()
    with open_database(database) as content:
        for view, image_id in enumerate(image_ids):
            own = np.flatnonzero(views == view)
            old = content.read_keypoints(image_id)[:, :2]
            keypoint[own] = len(old) + np.arange(len(own))
            content.update_keypoints(
                image_id, np.concatenate([old, pixels[own]]).astype(np.float32)
            )
        for (first, second), added in _matches_of_pairs(tracks, keypoint).items():
            ids = image_ids[first], image_ids[second]
            old = content.read_matches(*ids) if content.exists_matches(*ids) else None
            if old is not None:
                content.delete_matches(*ids)
                added = np.concatenate([old.astype(np.uint32), added])
            content.write_matches(*ids, added)
        content.clear_two_view_geometries()
    return image_ids


def _matches_of_pairs(
    tracks: Correspondences, keypoint: Int[np.ndarray, " observations"]
) -> dict[tuple[int, int], UInt32[np.ndarray, "matches 2"]]:
    """For each pair of views the features that one track ties; observations are sorted by track."""
    views, numbers = tracks.view_indices.tolist(), tracks.track_indices.numpy()
    matches: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    # Where each track's observations begin, and the end of all.
    starts = np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1], True])
    for start, end in pairwise(starts):
        for i in range(start, end):
            for j in range(i + 1, end):
                if views[i] != views[j]:
                    matches[views[i], views[j]].append((keypoint[i], keypoint[j]))
    return {pair: np.array(rows, np.uint32) for pair, rows in matches.items()}


def _verify(database: Path, max_error: float, options: RefineOptions) -> None:
    """Two-view geometry of all matches anew; ``max_error`` is in original pixels."""
    pycolmap = import_pycolmap()
    verification = pycolmap.TwoViewGeometryOptions()
    verification.ransac.random_seed = options.seed
    verification.ransac.max_error = max_error
    pycolmap.geometric_verification(database, two_view_geometry_options=verification)
