"""The view graph, read from COLMAP's database."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from glance3d.multiview.view_graph import VerifiedPair, ViewGraph
from glance3d.refinement.matching.database import open_database
from glance3d.refinement.pycolmap_interface import import_pycolmap

# COLMAP's kinds of two-view geometry that a homography explains: no depth follows from them.
_NO_PARALLAX = ("PLANAR", "PANORAMIC", "PLANAR_OR_PANORAMIC")
# Matches at the same pixels along the border: a logo or a caption, and not the scene.
_WATERMARK = "WATERMARK"


def read_view_graph(database: Path, image_ids: Sequence[int]) -> ViewGraph:
    """The verified pairs of a database; ``image_ids`` are its ids of the views, in order."""
    pycolmap = import_pycolmap()
    views = {image_id: view for view, image_id in enumerate(image_ids)}
    with open_database(database) as content:
        pixels = {image_id: content.read_keypoints(image_id)[:, :2] for image_id in image_ids}
        pair_ids, geometries = content.read_two_view_geometries()
    pairs = []
    for pair_id, geometry in zip(pair_ids, geometries, strict=True):
        ids = pycolmap.pair_id_to_image_pair(pair_id)
        matches = np.asarray(geometry.inlier_matches).reshape(-1, 2)
        kind = pycolmap.TwoViewGeometryConfiguration(geometry.config).name
        if not len(matches) or kind == _WATERMARK:
            continue
        # Rows of matches are the numbers of a feature in the first and in the second image.
        first, second = (pixels[i][matches[:, k]].astype(np.float64) for k, i in enumerate(ids))
        pairs.append(
            VerifiedPair(views[ids[0]], views[ids[1]], first, second, kind in _NO_PARALLAX)
        )
    return ViewGraph(len(image_ids), tuple(pairs))
