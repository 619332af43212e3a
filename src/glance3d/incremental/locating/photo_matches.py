"""Verified matches between photos and views of a scene: by SIFT, or by a network's descriptors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from tqdm import tqdm

from glance3d.images import Originals, open_upright
from glance3d.models import VGGT
from glance3d.multiview.view_graph import VerifiedPair, ViewGraph
from glance3d.refinement.matching.database import create_database
from glance3d.refinement.matching.features import extract_features, match_features
from glance3d.refinement.matching.initial_cameras import CameraAssignment
from glance3d.refinement.matching.learned.corners import find_corners
from glance3d.refinement.matching.learned.pair_matches import match_pair, verify_pair
from glance3d.refinement.matching.learned.view_descriptors import describe_views
from glance3d.refinement.matching.view_graph import read_view_graph
from glance3d.refinement.options import RefineOptions
from glance3d.types import ImageBatch, Masks

Pair = tuple[int, int]


@dataclass(frozen=True)
class ViewsAndPhotos:
    """Some views of a scene, then photos that are not in it, numbered from 0 on.

    ``cameras`` are COLMAP's, one each, ``masks`` those of the views; photos have none.
    """

    originals: Originals
    views: tuple[int, ...]
    photos: tuple[Path, ...]
    sizes: tuple[tuple[int, int], ...]
    cameras: tuple[Any, ...]
    masks: Masks

    def __len__(self) -> int:
        return len(self.views) + len(self.photos)

    def __getitem__(self, number: int) -> UInt8[np.ndarray, "height width 3"]:
        if number < len(self.views):
            return self.originals[self.views[number]]
        return np.asarray(open_upright(self.photos[number - len(self.views)]))


def match_by_sift(
    pictures: ViewsAndPhotos,
    pairs: Sequence[Pair],
    options: RefineOptions,
    folder: Path,
    *,
    progress: bool = False,
) -> ViewGraph:
    """The pairs that have verified matches; ``folder`` is empty, and takes COLMAP's database."""
    database = folder / "database.db"
    for index, camera in enumerate(pictures.cameras):
        camera.camera_id = index + 1  # COLMAP counts from 1
    numbers = tuple(range(len(pictures)))
    assignment = CameraAssignment(pictures.cameras, numbers, (True,) * len(numbers))
    image_ids = create_database(database, assignment)
    extract_features(database, pictures, options, masks=pictures.masks, progress=progress)
    match_features(database, pairs, options)
    return read_view_graph(database, image_ids)


def match_by_descriptors(
    pictures: ViewsAndPhotos,
    batch: ImageBatch,
    network: VGGT,
    pairs: Sequence[Pair],
    options: RefineOptions,
    *,
    progress: bool = False,
) -> ViewGraph:
    """The same of a network's descriptors; ``batch`` are the pictures on its grid.

    ``network`` must have a correspondence head.
    """
    described = describe_views(network, batch)
    corners = [
        find_corners(pictures[number], described, number, options.max_image_size)
        for number in range(len(pictures))
    ]
    verified = []
    for first, second in tqdm(pairs, "pairs", disable=not progress):
        matches = match_pair(described, corners, first, second)
        cameras = pictures.cameras[first], pictures.cameras[second]
        unit = float(np.mean([np.hypot(*pictures.sizes[k]) for k in (first, second)])) / 1000
        geometry = verify_pair(matches, cameras, unit, options.seed)
        if geometry is not None:
            rows = np.asarray(geometry.inlier_matches)[:, 0]
            ends = matches.pixels_first[rows], matches.pixels_second[rows]
            verified.append(VerifiedPair(first, second, *ends, flat=False))
    return ViewGraph(len(pictures), tuple(verified))
