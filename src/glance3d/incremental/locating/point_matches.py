"""Pixels of a photo and the points of a scene that they show, by its matches with views."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from glance3d.incremental.locating.scene_points import points_at
from glance3d.incremental.locating.triangulation import sight_lines, triangulate_features
from glance3d.multiview.view_graph import ViewGraph
from glance3d.types import Reconstruction


@dataclass(frozen=True)
class PointMatches:
    """Pixels of one photo and the world points that they show; some are wrong.

    A feature (numbers in ``features``) that matches several views is there several times.
    """

    pixels: Float[np.ndarray, "matches 2"]
    points_world: Float[np.ndarray, "matches 3"]
    views: Int[np.ndarray, " matches"]
    features: Int[np.ndarray, " matches"]

    def __len__(self) -> int:
        return len(self.pixels)


def match_points(
    scene: Reconstruction, views: Sequence[int], graph: ViewGraph, number: int
) -> PointMatches:
    """Of one photo, which has this number in the graph; there ``views`` come first, in order.

    A point is one that the scene measured; else where the sight lines of several views meet, of a
    feature that all of them match; else the surface that the view's depth map has there.
    """
    pixels, of_view = [np.zeros((0, 2))], [np.zeros(0, int)]
    points, known, measured = [np.zeros((0, 3))], [np.zeros(0, bool)], [np.zeros(0, bool)]
    lines = [np.zeros((0, 3))]
    for pair in graph.pairs_of(number):  # the views have the smaller numbers
        view = views[pair.first]
        seen = points_at(scene, view, pair.pixels_first)
        points.append(seen.points)
        known.append(seen.known)
        measured.append(seen.measured)
        lines.append(sight_lines(scene, view, pair.pixels_first))
        pixels.append(pair.pixels_second)
        of_view.append(np.full(len(pair), view))
    all_pixels, all_views = np.concatenate(pixels), np.concatenate(of_view)
    # A feature of the photo has the same pixel in all its matches.
    features = np.unique(all_pixels.round(1), axis=0, return_inverse=True)[1].reshape(-1)
    all_points, is_known = np.concatenate(points), np.concatenate(known)
    centers = scene.cameras.double().centers.numpy()[all_views]
    met, meet = triangulate_features(centers, np.concatenate(lines), features)
    better = meet[features] & ~np.concatenate(measured)
    all_points[better] = met[features[better]]
    is_known |= better
    return PointMatches(
        all_pixels[is_known], all_points[is_known], all_views[is_known], features[is_known]
    )
