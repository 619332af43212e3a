"""Photos whose points are nowhere near where the network's depth says: at a wrong scale.

Epipolar lines do not know how far things are. A few photos that hold each other can be so explained
though they float in a world of their own, a thousand times too large; the network's depth, a guess,
tells that at once.
"""

import math
from typing import Any

import torch

from glance3d.geometry.transforms import transform_points
from glance3d.refinement.depth_pairs import depth_pairs
from glance3d.refinement.mapping.mapper import MIN_OBSERVATIONS
from glance3d.refinement.matching.matched_photos import MatchedPhotos
from glance3d.refinement.tracks.observations import read_observations

# Farther from the other photos' than any two lenses and any guess of depth put it.
_FACTOR = 20.0


def off_scale_views(photos: MatchedPhotos, reconstruction: Any) -> set[int]:
    """Views whose depth, points against the network's, has a quite other scale than most views'.

    Of a COLMAP reconstruction of the photos; empty where the network gave no depth.
    """
    depth = photos.scene.depth
    if depth is None or reconstruction.num_points3D() == 0:
        return set()
    observations = read_observations(reconstruction)
    positions = observations.positions[observations.points, None]
    measured = transform_points(observations.poses[observations.views], positions)[:, 0, 2]
    views = {image_id: view for view, image_id in enumerate(photos.image_ids)}
    scales = {}
    for image_id in observations.images.unique().tolist():
        rows = observations.images == image_id
        view = views[image_id]
        guessed, seen = depth_pairs(
            depth[view].double(),
            photos.scene.placements[view],
            observations.pixels[rows],
            measured[rows],
        )
        if len(seen) >= MIN_OBSERVATIONS:
            scales[view] = float((guessed / seen).log().median())
    if not scales:
        return set()
    usual = float(torch.tensor(list(scales.values())).median())
    return {view for view, scale in scales.items() if abs(scale - usual) > math.log(_FACTOR)}
