"""How the surfaces that two views see lie to each other: the measurement behind contradictions."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.geometry.cameras import project_points
from glance3d.geometry.filter import most_confident, spread_sample, usable_depth
from glance3d.types import Reconstruction

# Points of a view that are compared with all others, fewer where there are many views: enough for
# shares to a few percent (a share of 0.5 of 1500 points has a deviation of 1.3 %).
_MAX_POINTS = 1500
_MAX_COMPARISONS = 60_000
_MIN_POINTS = 50
# The least certain quarter of each view's pixels, which point clouds leave out, too.
_PERCENTILE = 25.0
# Logarithms of depth ratios: surfaces agree within 5 %, one is seen through from 25 % on, and from
# a factor of 2 on a point has nothing to do with a surface (it is hidden, or far before it).
_AGREES = math.log1p(0.05)
_THROUGH = math.log1p(0.25)
_SAME_PLACE = math.log(2.0)


@dataclass(frozen=True)
class DepthConsistency:
    """For each ordered pair (a, b): what becomes of a's surface points in b's depth map.

    ``overlap`` is the share of a's points that fall where b knows its depth; the others are shares
    of these. ``agreeing`` ones lie on b's surface; ``before`` and ``behind`` ones lie off it but
    near, on its nearer or its farther side, and ``distance`` is their median relative distance.
    ``confirmed_through`` ones float clearly before b's surface although some other view sees them
    just there.
    """

    overlap: Float[np.ndarray, "views views"]
    agreeing: Float[np.ndarray, "views views"]
    before: Float[np.ndarray, "views views"]
    behind: Float[np.ndarray, "views views"]
    distance: Float[np.ndarray, "views views"]
    confirmed_through: Float[np.ndarray, "views views"]

    def only(self, pairs: Bool[np.ndarray, "views views"]) -> "DepthConsistency":
        """The same, as if the views of any other pair had nothing in common."""
        return replace(self, overlap=np.where(pairs, self.overlap, 0.0))


def measure_depth_consistency(scene: Reconstruction) -> DepthConsistency:
    """Every view's depth compared with every other's; the scene must have depth and points.

    Of a scene that knows where its depth was measured, only that counts.
    """
    assert scene.depth is not None
    assert scene.points_world is not None
    usable = usable_depth(scene.depth) & scene.mask & scene.points_world.isfinite().all(-1)
    if scene.measured is not None:
        usable &= scene.measured
    if scene.confidence is not None:
        usable = torch.stack(
            [
                most_confident(confidence, valid, _PERCENTILE)
                for confidence, valid in zip(scene.confidence, usable, strict=True)
            ]
        )
    surfaces = torch.where(usable, scene.depth, 0.0)
    rows = [_view_against_all(scene, surfaces, usable, view) for view in range(scene.num_views)]
    return DepthConsistency(*(torch.stack(column).numpy() for column in zip(*rows, strict=True)))


def _view_against_all(
    scene: Reconstruction, surfaces: Tensor, usable: Tensor, view: int
) -> tuple[Tensor, ...]:
    """One row of each matrix; 0 where there are too few points."""
    assert scene.points_world is not None
    points = scene.points_world[view][usable[view]]
    most = min(_MAX_POINTS, max(5 * _MIN_POINTS, _MAX_COMPARISONS // scene.num_views))
    points = points[spread_sample(len(points), most, seed=view)]
    distance = _log_depth_ratios(scene, surfaces, points)
    distance[view] = torch.nan  # nothing is compared with itself
    known = distance.isfinite()
    count = known.sum(1)
    enough = count >= _MIN_POINTS

    def share(which: Tensor) -> Tensor:
        return torch.where(enough, (which & known).sum(1) / count.clamp_min(1), 0.0)

    agrees = distance.abs() < _AGREES
    before = (distance <= -_AGREES) & (distance > -_SAME_PLACE)
    behind = (distance >= _AGREES) & (distance < _SAME_PLACE)
    confirmed = agrees.any(0) & (distance < -_THROUGH)
    off = torch.where(before | behind, distance.abs(), torch.nan)
    off_by = off.nanmedian(1).values if len(points) else torch.zeros(scene.num_views)
    overlap = torch.where(enough, count / max(len(points), 1), 0.0)
    return (
        overlap,
        share(agrees),
        share(before),
        share(behind),
        off_by.nan_to_num(0.0).expm1(),
        share(confirmed),
    )


def _log_depth_ratios(
    scene: Reconstruction, surfaces: Tensor, points: Float[Tensor, "points 3"]
) -> Float[Tensor, "views points"]:
    """Logarithm of the points' depth over each view's depth there; NaN where there is none."""
    cameras = scene.cameras.on_grid(scene.placements)
    num_views, height, width = surfaces.shape
    pixels, depth = project_points(
        points.expand(num_views, -1, -1),
        cameras.cam_from_world,
        cameras.intrinsics,
        cameras.radial,
    )
    inside = ((pixels >= 0) & (pixels < pixels.new_tensor([width, height]))).all(-1) & (depth > 0)
    x, y = torch.where(inside[..., None], pixels, 0.0).long().unbind(-1)
    surface = surfaces[torch.arange(num_views)[:, None], y, x]
    known = inside & (surface > 0)
    ratio = torch.where(known, depth, 1.0) / torch.where(known, surface, 1.0)
    return torch.where(known, ratio.log(), torch.nan)
