"""Measure a network: predictions first, scores second, the trivial baseline beside it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from glance3d.evaluation.predict import (
    load_prediction,
    predict_scene,
    predict_trivially,
    save_prediction,
)
from glance3d.evaluation.report import EvaluationReport, SetReport
from glance3d.evaluation.scenes import EvaluationSet
from glance3d.evaluation.score import mean_scores, score_scene
from glance3d.models import VGGT


def evaluate(
    model: VGGT,
    sets: Sequence[EvaluationSet],
    predictions: str | Path | None = None,
    *,
    progress: bool = False,
) -> EvaluationReport:
    """Write predictions of all sets, then score them.

    The files go to ``predictions/SET/SCENE.npz``, by default to a temporary folder. They alone
    are scored, so that :func:`score_sets` on the same folder gives the same numbers.
    """
    if predictions is not None:
        write_predictions(model, sets, predictions, progress=progress)
        return score_sets(sets, predictions, model.config.name)
    with tempfile.TemporaryDirectory() as folder:
        return evaluate(model, sets, folder, progress=progress)


def write_predictions(
    model: VGGT, sets: Sequence[EvaluationSet], folder: str | Path, *, progress: bool = False
) -> None:
    """Loop 1: ``folder/SET/SCENE.npz`` for every scene."""
    jobs = [(one_set.name, scene) for one_set in sets for scene in one_set.scenes]
    model.eval()
    for set_name, scene in tqdm(jobs, desc="predicting", unit="scene", disable=not progress):
        save_prediction(predict_scene(model, scene), _file(folder, set_name, scene.name))


def score_sets(
    sets: Sequence[EvaluationSet], folder: str | Path, model_name: str
) -> EvaluationReport:
    """Loop 2: scores of the predictions in ``folder``, and of the trivial baseline."""
    reports = []
    for one_set in sets:
        network = [
            score_scene(load_prediction(_file(folder, one_set.name, scene.name)), scene)
            for scene in one_set.scenes
        ]
        trivial = [score_scene(predict_trivially(scene), scene) for scene in one_set.scenes]
        reports.append(
            SetReport(
                name=one_set.name,
                about=one_set.about,
                num_scenes=len(one_set.scenes),
                num_views=sum(len(scene.images) for scene in one_set.scenes),
                network=mean_scores(network),
                trivial=mean_scores(trivial),
            )
        )
    return EvaluationReport(model_name, tuple(reports))


def _file(folder: str | Path, set_name: str, scene_name: str) -> Path:
    return Path(folder) / set_name / f"{scene_name}.npz"
