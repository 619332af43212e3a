"""Learned matches in a COLMAP database, beside those that are there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from glance3d.refinement.matching.database import copy_with_cameras, open_database
from glance3d.refinement.matching.learned.features import MERGED_WITHIN, features_of_matches
from glance3d.refinement.matching.learned.loops import Pair, confirmed_pairs
from glance3d.refinement.matching.learned.pair_matches import PairMatches, estimate_geometry
from glance3d.refinement.matching.matched_photos import MatchedPhotos

# Of a pair's earlier matches, how many its geometry must explain together with the learned ones;
# else the two contradict each other, and the earlier ones stay as they were.
_KEEPS = 0.8


def write_matches(
    photos: MatchedPhotos,
    matches: Sequence[PairMatches],
    cell_sides: Sequence[float],
    cameras: Sequence[Any],
    database: Path,
) -> list[int]:
    """A copy of the photos' database with these matches added; the image ids.

    Added are those of pairs that third views confirm, and those that agree with matches that a pair
    already has. ``cell_sides`` are in original pixels, ``cameras`` COLMAP's, view by view.
    """
    unit, seed = photos.scene.cameras.pixel_unit, photos.options.seed
    squares = [MERGED_WITHIN * side for side in cell_sides]
    features, rows = features_of_matches(matches, len(cell_sides), squares)
    image_ids = copy_with_cameras(photos.database, database, photos.initial_cameras.assign())
    with open_database(database) as content:
        keypoints, first_own = _add_features(content, image_ids, features)
        shifted = {views: own + [first_own[view] for view in views] for views, own in rows.items()}
        confirmed = confirmed_pairs(keypoints, shifted, cell_sides)
        for views, own in shifted.items():
            ids = image_ids[views[0]], image_ids[views[1]]
            old = _old_matches(content, ids)
            if not len(old) and views not in confirmed:
                continue
            joined = np.concatenate([old, own])
            pixels = [keypoints[v][joined[:, k]].astype(np.float64) for k, v in enumerate(views)]
            of_pair = cameras[views[0]], cameras[views[1]]
            geometry = estimate_geometry(pixels[0], pixels[1], of_pair, unit, seed)
            inliers = np.asarray(geometry.inlier_matches).reshape(-1, 2)[:, 0]
            if (inliers < len(old)).sum() < _KEEPS * len(old):
                continue
            geometry.inlier_matches = joined[inliers].astype(np.uint32)
            _replace_matches(content, ids, joined, geometry)
    return image_ids


def _add_features(
    content: Any, image_ids: Sequence[int], features: Sequence[Float[np.ndarray, "_features 2"]]
) -> tuple[list[Float[np.ndarray, "_all 2"]], list[int]]:
    """All features of each view, the added ones last, and the numbers of the first added ones."""
    keypoints, first_own = [], []
    for image_id, own in zip(image_ids, features, strict=True):
        old = content.read_keypoints(image_id)[:, :2]
        first_own.append(len(old))
        keypoints.append(np.concatenate([old, own]).astype(np.float32))
        content.update_keypoints(image_id, keypoints[-1])
    return keypoints, first_own


def _old_matches(content: Any, ids: Pair) -> Int[np.ndarray, "matches 2"]:
    """The verified matches that a pair already has."""
    if not content.exists_matches(*ids):
        return np.zeros((0, 2), np.int64)
    geometry = content.read_two_view_geometry(*ids)
    return np.asarray(geometry.inlier_matches, np.int64).reshape(-1, 2)


def _replace_matches(
    content: Any, ids: Pair, matches: Int[np.ndarray, "matches 2"], geometry: Any
) -> None:
    if content.exists_matches(*ids):
        content.delete_matches(*ids)
        content.delete_two_view_geometry(*ids)
    content.write_matches(*ids, matches.astype(np.uint32))
    content.write_two_view_geometry(*ids, geometry)
