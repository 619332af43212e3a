"""Scores of predictions against the truth."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.evaluation.metrics import (
    PairErrors,
    TrackErrors,
    depth_errors,
    fov_error_deg,
    pose_auc,
    relative_pose_errors,
    track_errors,
)
from glance3d.evaluation.predictions import ScenePrediction
from glance3d.evaluation.scenes import EvaluationScene
from glance3d.geometry.transforms import is_known


@dataclass(frozen=True)
class Scores:
    """Scores of one scene, or means over scenes; NaN where there was no truth or no claim.

    :mod:`glance3d.evaluation.metrics` defines them. ``measured_*`` are about the pixels where a
    method claims to have measured depth: their errors, aligned by one factor of their own, and
    their share of all pixels with truth. ``registered_share`` is the share of photos whose pose
    their matches hold, ``trusted_share`` the share judged good; ``trusted_auc_at_5deg`` is the AUC
    over the pairs of good photos.
    """

    pose_auc_at_3deg: float
    pose_auc_at_5deg: float
    pose_auc_at_15deg: float
    pose_auc_at_30deg: float
    rotation_error_deg_median: float
    translation_error_deg_median: float
    fov_error_deg: float
    depth_absrel_scale_aligned: float
    depth_delta_125_scale_aligned: float
    measured_absrel_scale_aligned: float
    measured_delta_125_scale_aligned: float
    measured_share: float
    track_error_px_median: float
    track_within_3px: float
    registered_share: float
    trusted_share: float
    trusted_auc_at_5deg: float
    seconds: float

    def to_dict(self) -> dict[str, float | None]:
        """JSON-ready: NaN becomes None."""
        return {k: None if math.isnan(v) else round(v, 6) for k, v in asdict(self).items()}


@dataclass(frozen=True)
class AttemptScore:
    """What one attempt of refinement held, and how right it was; others count as 180 degrees."""

    name: str
    num_photos: int
    pose_auc_at_5deg: float
    pose_auc_at_30deg: float


def score_attempts(prediction: ScenePrediction, scene: EvaluationScene) -> tuple[AttemptScore, ...]:
    """All that was tried, so that what was chosen can be judged."""
    scores = []
    for attempt in prediction.attempts:
        poses = attempt.cam_from_world
        worse = relative_pose_errors(poses, scene.cameras.cam_from_world).worse
        held = int(is_known(poses).sum())
        scores.append(AttemptScore(attempt.name, held, pose_auc(worse, 5), pose_auc(worse, 30)))
    return tuple(scores)


def score_scene(prediction: ScenePrediction, scene: EvaluationScene) -> Scores:
    """All numbers of one scene. Depth is compared at the original photos' pixels."""
    pairs = relative_pose_errors(prediction.cam_from_world, scene.cameras.cam_from_world)
    true = _pixels(scene.depth, scene)
    depth = depth_errors(_pixels(prediction.depth, scene), true)
    measured = torch.zeros_like(true)
    if prediction.measured is not None:
        measured = _pixels(prediction.measured, scene) * _pixels(prediction.depth, scene)
    claimed = depth_errors(measured, true)
    num_true = int((true > 0).sum())
    claims = prediction.measured is not None and num_true > 0
    tracks = _track_errors(prediction, scene)
    return Scores(
        pose_auc_at_3deg=pose_auc(pairs.worse, 3),
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
        measured_absrel_scale_aligned=claimed.depth_absrel_scale_aligned,
        measured_delta_125_scale_aligned=claimed.depth_delta_125_scale_aligned,
        measured_share=claimed.num_pixels / num_true if claims else math.nan,
        track_error_px_median=tracks.track_error_px_median,
        track_within_3px=tracks.track_within_3px,
        registered_share=_share(prediction.registered),
        trusted_share=_share(prediction.trusted),
        trusted_auc_at_5deg=_trusted_auc(pairs, prediction.trusted),
        seconds=prediction.seconds,
    )


def _track_errors(prediction: ScenePrediction, scene: EvaluationScene) -> TrackErrors:
    if prediction.tracks is None or scene.tracks is None:
        return TrackErrors(math.nan, math.nan)
    return track_errors(prediction.tracks, scene.tracks.positions, scene.tracks.visibility)


def _pixels(maps: Sequence[Tensor | None], scene: EvaluationScene) -> Float[Tensor, " pixels"]:
    """All pixels of the views with true depth, one after the other."""
    chosen = [
        one.flatten().float()
        for one, truth in zip(maps, scene.depth, strict=True)
        if one is not None and truth is not None
    ]
    return torch.cat(chosen) if chosen else torch.zeros(0)


def _share(views: Tensor | None) -> float:
    return math.nan if views is None else float(views.double().mean())


def _trusted_auc(pairs: PairErrors, trusted: Tensor | None) -> float:
    if trusted is None:
        return math.nan
    first, second = torch.triu_indices(len(trusted), len(trusted), offset=1)
    return pose_auc(pairs.worse[trusted[first] & trusted[second]], 5)


def _median(values: Tensor) -> float:
    return float(values.median()) if len(values) else math.nan


def mean_scores(scores: Iterable[Scores]) -> Scores:
    """Means over the scenes that have truth for a number, each scene counting once."""
    rows = [asdict(score) for score in scores]
    means = {}
    for name in Scores.__dataclass_fields__:
        means[name] = mean_of_known(row[name] for row in rows)
    return Scores(**means)


def mean_of_known(values: Iterable[float]) -> float:
    """Of those that are not NaN; NaN if none is known."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
