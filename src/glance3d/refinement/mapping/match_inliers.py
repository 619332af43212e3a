"""How many of the photos' matches a reconstruction explains: what tells a right one from a wrong.

Points alone do not: a reconstruction with a wrong lens, or built on repeated windows, throws away
the matches that contradict it and keeps points enough to look well held.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from glance3d.multiview.view_graph import ViewGraph, epipolar_errors
from glance3d.refinement.matching.camera_models import intrinsics_of
from glance3d.refinement.pycolmap_interface import pose_from_rigid, posed_images
from glance3d.types import Cameras

# First-order (Sampson) distance of an inlier from its epipolar lines, in pixels at a diagonal of
# 1000.
EXPLAINED = 2.5
# Matches beyond which a pair says no more: one pair of much texture must not outvote all others.
ENOUGH = 200


@dataclass(frozen=True)
class MatchInliers:
    """Matches that the poses of both photos explain, and all; no pair counts beyond enough."""

    explained: float
    total: float

    @property
    def share(self) -> float:
        """From 0 to 1; 1 without any match."""
        return self.explained / self.total if self.total else 1.0


def count_match_inliers(
    view_graph: ViewGraph,
    cameras: Cameras,
    reconstruction: Any | None,
    image_ids: Sequence[int],
) -> MatchInliers:
    """Compare a COLMAP reconstruction of the views of ``cameras`` with their verified matches.

    No reconstruction explains none. Distortion is ignored: it is far below what tells a right pose
    from a wrong one.
    """
    images = posed_images(reconstruction, image_ids)
    adjusted = with_adjusted(cameras, reconstruction, images)
    tolerance = EXPLAINED * cameras.pixel_unit
    explained = total = 0.0
    for pair in view_graph.pairs:
        weight = min(1.0, ENOUGH / len(pair))
        total += weight * len(pair)
        if {pair.first, pair.second} <= images.keys():
            explained += weight * float((epipolar_errors(pair, adjusted) < tolerance).sum())
    return MatchInliers(explained, total)


def with_adjusted(
    cameras: Cameras, reconstruction: Any | None, images: Mapping[int, Any]
) -> Cameras:
    """The cameras, those of the reconstruction's images with its poses and intrinsics."""
    poses = cameras.cam_from_world.double().clone()
    matrices = cameras.intrinsics.double().clone()
    for view, image in images.items():
        assert reconstruction is not None
        poses[view] = pose_from_rigid(image.cam_from_world())
        matrices[view] = intrinsics_of(reconstruction.camera(image.camera_id))[0]
    return Cameras(poses, matrices, cameras.image_sizes)
