"""Where known and estimated poses contradict each other, photo by photo.

Two worlds are compared after a robust similarity between them, so that a few wrong poses, on either
side, do not bend the comparison of the others.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import InputError
from glance3d.geometry.cameras import camera_centers
from glance3d.geometry.robust_similarity import (
    AGREEING_DISTANCE,
    AGREEING_ROTATION_DEG,
    INLIER_SIGMAS,
    estimate_robust_pose_similarity,
    root_mean_square_spread,
)
from glance3d.geometry.similarity import Similarity
from glance3d.geometry.transforms import is_known

# What agreeing poses may differ by follows from how much the majority does, within these limits:
# below the first nobody would call it a contradiction, above the second nobody would not.
ROTATION_LIMITS_DEG = (AGREEING_ROTATION_DEG, 15.0)
DISTANCE_LIMITS = (AGREEING_DISTANCE, 0.25)  # of the spread of the known positions


@dataclass(frozen=True)
class ViewDisagreement:
    """One photo's two poses: the angle between them and the distance, in the known world's units.

    ``distance_of_spread`` is the distance over the root mean square distance of the known positions
    from their mean. ``verdict`` is "agrees" or "contradicts".
    """

    name: str
    rotation_deg: float
    distance: float
    distance_of_spread: float
    verdict: str


@dataclass(frozen=True)
class PoseDisagreement:
    """All photos whose pose is known, and the similarity under which they were compared."""

    known_from_estimated: Similarity
    views: tuple[ViewDisagreement, ...]
    rotation_limit_deg: float
    distance_limit_of_spread: float

    @property
    def contradicting(self) -> tuple[str, ...]:
        """The photos whose poses contradict each other."""
        return tuple(view.name for view in self.views if view.verdict == "contradicts")

    def describe(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "num_compared": len(self.views),
            "contradicting": list(self.contradicting),
            "rotation_limit_deg": round(self.rotation_limit_deg, 4),
            "distance_limit_of_spread": round(self.distance_limit_of_spread, 5),
            "views": [
                {
                    "name": view.name,
                    "rotation_deg": round(view.rotation_deg, 4),
                    "distance": view.distance,
                    "distance_of_spread": round(view.distance_of_spread, 5),
                    "verdict": view.verdict,
                }
                for view in self.views
            ],
        }


def measure_disagreement(
    names: Sequence[str],
    known: Float[Tensor, "views 3 4"],
    estimated: Float[Tensor, "views 3 4"],
    seed: int = 0,
) -> PoseDisagreement:
    """Compare ``cam_from_world`` of two worlds where both are finite; the others are left out.

    Of two poses that contradict each other none can be called the wrong one: both then contradict.

    Raises:
        InputError: no view has both.
    """
    both = is_known(known) & is_known(estimated)
    if not both.any():
        raise InputError(
            "no photo has a known pose and an estimated one: there is nothing to compare"
        )
    known, estimated = known[both].double(), estimated[both].double()
    fit = estimate_robust_pose_similarity(estimated, known, seed=seed)
    centers = camera_centers(known)
    agreed = centers[fit.inliers] if fit.inliers.sum() > 1 else centers
    spread = root_mean_square_spread(agreed)
    angles = torch.rad2deg(fit.angles if fit.angles is not None else torch.zeros(len(known)))
    rotation_limit = _between(
        INLIER_SIGMAS * math.degrees(fit.angle_sigma or 0.0), ROTATION_LIMITS_DEG
    )
    relative = fit.distances / spread if spread > 0 else torch.zeros_like(fit.distances)
    distance_limit = _between(
        INLIER_SIGMAS * fit.sigma / spread if spread > 0 else 0.0, DISTANCE_LIMITS
    )
    agrees = (angles <= rotation_limit) & (relative <= distance_limit)
    compared = [name for name, has in zip(names, both.tolist(), strict=True) if has]
    views = zip(
        compared,
        angles.tolist(),
        fit.distances.tolist(),
        relative.tolist(),
        ["agrees" if good else "contradicts" for good in agrees.tolist()],
        strict=True,
    )
    return PoseDisagreement(
        fit.target_from_source,
        tuple(ViewDisagreement(*view) for view in views),
        rotation_limit,
        distance_limit,
    )


def _between(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])
