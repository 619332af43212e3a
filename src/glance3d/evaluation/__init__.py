"""Evaluation: predictions of a network against the truth, beside a trivial baseline."""

from glance3d.evaluation.evaluate import evaluate, score_sets, write_predictions
from glance3d.evaluation.report import EvaluationReport, SetReport
from glance3d.evaluation.scenes import EvaluationScene, EvaluationSet, photo_set, synthetic_set
from glance3d.evaluation.score import Scores

__all__ = [
    "EvaluationReport",
    "EvaluationScene",
    "EvaluationSet",
    "Scores",
    "SetReport",
    "evaluate",
    "photo_set",
    "score_sets",
    "synthetic_set",
    "write_predictions",
]
