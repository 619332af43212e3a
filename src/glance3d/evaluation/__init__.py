"""Evaluation: predictions of a network, of refinement and of baselines, compared with the truth."""

from glance3d.evaluation.evaluate import evaluate, score_sets, write_predictions
from glance3d.evaluation.gate import Gate
from glance3d.evaluation.methods import METHODS
from glance3d.evaluation.report import EvaluationReport, SetReport
from glance3d.evaluation.scenes import EvaluationScene, EvaluationSet, photo_set, synthetic_set
from glance3d.evaluation.score import Scores

__all__ = [
    "METHODS",
    "EvaluationReport",
    "EvaluationScene",
    "EvaluationSet",
    "Gate",
    "Scores",
    "SetReport",
    "evaluate",
    "photo_set",
    "score_sets",
    "synthetic_set",
    "write_predictions",
]
