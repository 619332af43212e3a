"""Loop 2: predictions against the truth, in numbers."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import torch

from glance3d.evaluation.metrics import depth_errors, fov_error_deg, pose_auc, relative_pose_errors
from glance3d.evaluation.predict import ScenePrediction
from glance3d.evaluation.scenes import EvaluationScene


@dataclass(frozen=True)
class Scores:
    """Numbers of one scene, or means over scenes; NaN where there was no truth.

    See :mod:`glance3d.evaluation.metrics` for each one's definition.
    """

    pose_auc_at_5deg: float
    pose_auc_at_15deg: float
    pose_auc_at_30deg: float
    rotation_error_deg_median: float
    translation_error_deg_median: float
    fov_error_deg: float
    depth_absrel_scale_aligned: float
    depth_delta_125_scale_aligned: float

    def to_dict(self) -> dict[str, float | None]:
        """JSON-ready: NaN becomes None."""
        return {k: None if math.isnan(v) else round(v, 6) for k, v in asdict(self).items()}


def score_scene(prediction: ScenePrediction, scene: EvaluationScene) -> Scores:
    """All numbers of one scene. Depth is compared at the original photos' pixels."""
    pairs = relative_pose_errors(prediction.cam_from_world, scene.cameras.cam_from_world)
    said, true = [], []
    for predicted, truth in zip(prediction.depth, scene.depth, strict=True):
        if truth is not None:
            said.append(predicted.flatten())
            true.append(truth.flatten())
    depth = depth_errors(
        torch.cat(said) if said else torch.zeros(0), torch.cat(true) if true else torch.zeros(0)
    )
    return Scores(
        pose_auc_at_5deg=pose_auc(pairs.worse, 5),
        pose_auc_at_15deg=pose_auc(pairs.worse, 15),
        pose_auc_at_30deg=pose_auc(pairs.worse, 30),
        rotation_error_deg_median=_median(pairs.rotation),
        translation_error_deg_median=_median(pairs.translation),
        fov_error_deg=fov_error_deg(
            prediction.intrinsics, scene.cameras.intrinsics, scene.cameras.image_sizes.float()
        ),
        depth_absrel_scale_aligned=depth.depth_absrel_scale_aligned,
        depth_delta_125_scale_aligned=depth.depth_delta_125_scale_aligned,
    )


def _median(values: torch.Tensor) -> float:
    return float(values.median()) if len(values) else math.nan


def mean_scores(scores: Iterable[Scores]) -> Scores:
    """Means over the scenes that have truth for a number, each scene counting once."""
    rows = [asdict(score) for score in scores]
    means = {}
    for name in Scores.__dataclass_fields__:
        known = [row[name] for row in rows if not math.isnan(row[name])]
        means[name] = sum(known) / len(known) if known else math.nan
    return Scores(**means)
