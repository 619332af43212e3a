"""Relative poses of all pairs of frames, as areas under curves of recall."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from glance3d.errors import InputError
from glance3d.evaluation.metrics import pose_auc, relative_pose_errors
from glance3d.evaluation.predictions import ScenePrediction
from glance3d.evaluation.protocols.measures.measure import Measure, Value, Values
from glance3d.evaluation.protocols.truth import TrueScene
from glance3d.geometry.transforms import is_known


@dataclass(frozen=True)
class PoseAuc(Measure):
    """AUC of the larger of a pair's two errors, of rotation and of the translation's direction.

    ``area`` "bins" is the mean share of pairs below 1, 2, ... T degrees, as VGGT has it; "exact"
    the area under the curve itself, the mean of ``max(0, 1 - error / T)``, as two-view matching
    has it. With ``either_direction`` an opposite translation is no error, since an essential
    matrix does not tell the two apart. Weights are pairs.
    """

    needs_depth: ClassVar[bool] = False

    thresholds_deg: tuple[int, ...]
    area: str = "bins"
    either_direction: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no area."""
        if self.area not in ("bins", "exact"):
            raise InputError(f"area must be bins or exact, got {self.area!r}")
        if not self.thresholds_deg or min(self.thresholds_deg) < 1:
            raise InputError(f"thresholds must be whole degrees, got {self.thresholds_deg}")

    def score(self, prediction: ScenePrediction, truth: TrueScene) -> Values:
        """``pose_auc_at_Tdeg`` for every threshold, over pairs whose truth is known."""
        known = is_known(truth.cameras.cam_from_world)
        pairs = relative_pose_errors(
            prediction.cam_from_world[known], truth.cameras.cam_from_world[known]
        )
        direction = pairs.translation
        if self.either_direction:
            direction = torch.minimum(direction, 180 - direction)
        worse = torch.maximum(pairs.rotation, direction)
        return {
            f"pose_auc_at_{limit}deg": Value(self._area(worse, limit), float(len(worse)))
            for limit in self.thresholds_deg
        }

    def _area(self, errors_deg: torch.Tensor, limit: int) -> float:
        if self.area == "bins":
            return pose_auc(errors_deg, limit)
        if not len(errors_deg):
            return math.nan
        return float((1 - errors_deg.double() / limit).clamp(min=0).mean())
