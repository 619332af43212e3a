"""How many of the photos' matches a reconstruction explains: what tells a right one from a wrong.

Points alone do not: a reconstruction with a wrong lens, or built on repeated windows, throws away
the matches that contradict it and keeps points enough to look well held.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from glance3d.multiview.epipolar_errors import epipolar_errors, pixel_unit
from glance3d.multiview.view_graph import ViewGraph
from glance3d.refinement.matching.camera_models import intrinsics_of
from glance3d.refinement.pycolmap_interface import pose_from_rigid
from glance3d.types import Cameras

# Pixels at a diagonal of a thousand from an epipolar line.
_EXPLAINED = 2.5
# Matches beyond which a pair says no more.
_ENOUGH = 200


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
    graph: ViewGraph,
    cameras: Cameras,
    reconstruction: Any | None,
    image_ids: Sequence[int],
) -> MatchInliers:
    """Hold a COLMAP reconstruction of the views of ``cameras`` against their verified matches.

    No reconstruction explains none. Distortion is ignored: it is far below what tells a right pose
    from a wrong one.
    """
    found, registered = _found(cameras, reconstruction, image_ids)
    tolerance = _EXPLAINED * pixel_unit(cameras)
    explained = total = 0.0
    for pair in graph.pairs:
        weight = min(1.0, _ENOUGH / len(pair))
        total += weight * len(pair)
        if {pair.first, pair.second} <= registered:
            explained += weight * float((epipolar_errors(pair, found) < tolerance).sum())
    return MatchInliers(explained, total)


def _found(
    cameras: Cameras, reconstruction: Any | None, image_ids: Sequence[int]
) -> tuple[Cameras, set[int]]:
    """The cameras with what the reconstruction says of the views that it holds; which those are."""
    poses = cameras.cam_from_world.double().clone()
    matrices = cameras.intrinsics.double().clone()
    registered: set[int] = set()
    if reconstruction is None:
        return cameras, registered
    for view, image_id in enumerate(image_ids):
        if reconstruction.exists_image(image_id) and reconstruction.image(image_id).has_pose:
            image = reconstruction.image(image_id)
            poses[view] = pose_from_rigid(image.cam_from_world())
            matrices[view] = intrinsics_of(reconstruction.camera(image.camera_id))[0]
            registered.add(view)
    return Cameras(poses, matrices, cameras.image_sizes), registered
