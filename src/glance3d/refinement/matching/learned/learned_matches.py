"""Matches by a network's descriptors beside SIFT's, in one COLMAP database: the door."""

from dataclasses import replace
from typing import Any

import numpy as np

from glance3d.images import Originals
from glance3d.models import VGGT
from glance3d.models.photo_descriptors import describe_photos
from glance3d.progress import ProgressBar
from glance3d.refinement.matching.learned.corners import find_corners
from glance3d.refinement.matching.learned.pair_matches import (
    PairMatches,
    match_pair,
    verify_pair,
)
from glance3d.refinement.matching.learned.view_descriptors import ViewDescriptors, describe_views
from glance3d.refinement.matching.learned.view_pairs import MOST_CANDIDATES, alike_pairs
from glance3d.refinement.matching.learned.writing import write_matches
from glance3d.refinement.matching.matched_photos import MatchedPhotos, read_matches
from glance3d.retrieval import known_neighbours, photo_likeness
from glance3d.retrieval.pairs import Pair

# By name, time and position.
_NEIGHBOURS = 2


def add_learned_matches(
    photos: MatchedPhotos, network: VGGT, originals: Originals, *, progress: bool = False
) -> MatchedPhotos:
    """The same photos with matches of the network's descriptors beside theirs, verified.

    Only pairs that look alike are matched. ``network`` must have a correspondence head.
    """
    batch = originals.load(network.preprocessing)
    batch = replace(batch, masks=photos.scene.masks)
    described = describe_views(network, batch)
    whole = None
    if described.num_views > MOST_CANDIDATES + 1:
        whole = photo_likeness(describe_photos(network, batch, progress=progress))
    scene = photos.scene
    neighbours = known_neighbours(scene.names, scene.metadata, _NEIGHBOURS)
    pairs = alike_pairs(described, whole, neighbours)
    matches = _verified_matches(photos, described, originals, pairs, progress)
    database = photos.database.with_name("learned.db")
    sides = [described.cell_side(view) for view in range(described.num_views)]
    image_ids = write_matches(photos, matches, sides, colmap_cameras(photos), database)
    joined = read_matches(photos.scene, photos.options, photos.initial_cameras, database, image_ids)
    return replace(joined, sift_graph=photos.view_graph)


def _verified_matches(
    photos: MatchedPhotos,
    described: ViewDescriptors,
    originals: Originals,
    pairs: list[Pair],
    progress: bool,
) -> list[PairMatches]:
    """The inliers of the pairs that two-view geometry does not refute."""
    options, unit = photos.options, photos.scene.cameras.pixel_unit
    cameras = colmap_cameras(photos)
    corners = [
        find_corners(originals[view], described, view, options.max_image_size)
        for view in range(described.num_views)
    ]
    verified = []
    for first, second in ProgressBar(pairs, "pairs", disable=not progress):
        matches = match_pair(described, corners, first, second)
        of_pair = cameras[first], cameras[second]
        geometry = verify_pair(matches, of_pair, unit, options.seed)
        if geometry is not None:
            is_inlier = np.zeros(len(matches), bool)
            is_inlier[np.asarray(geometry.inlier_matches)[:, 0]] = True
            verified.append(matches.only(is_inlier))
    return verified


def colmap_cameras(photos: MatchedPhotos) -> list[Any]:
    """The camera of each view, with what is first taken for its focal length."""
    assignment = photos.initial_cameras.assign()
    return [assignment.cameras[index] for index in assignment.camera_of_view]
