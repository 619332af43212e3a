"""Measure methods on sets of scenes: predictions first, scores second."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from glance3d.evaluation.methods import Method, choose_methods, methods_for, run_methods
from glance3d.evaluation.predictions import load_prediction, save_prediction
from glance3d.evaluation.report import EvaluationReport, SetReport
from glance3d.evaluation.scenes import EvaluationSet
from glance3d.evaluation.score import (
    AttemptScore,
    Scores,
    mean_scores,
    score_attempts,
    score_scene,
)
from glance3d.files.name_keys import distinct_names
from glance3d.models import Network
from glance3d.results import Claims, open_result

#: The methods that are measured by default.
DEFAULT_METHODS = ("network", "trivial")


def evaluate(
    model: Network,
    sets: Sequence[EvaluationSet],
    predictions: str | Path | None = None,
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
    progress: bool = False,
    overwrite: bool = False,
) -> EvaluationReport:
    """Write the predictions of all methods for all sets, then score them.

    ``methods`` are names in :data:`glance3d.evaluation.methods.METHODS`. The files go to
    ``predictions/METHOD/SET/SCENE.npz``, by default to a temporary folder. They alone are scored,
    so that :func:`score_sets` on the same folder gives the same numbers. ``overwrite`` allows to
    replace files there that Glance3D did not write.
    """
    if predictions is not None:
        write_predictions(
            model, sets, predictions, methods=methods, progress=progress, overwrite=overwrite
        )
        return score_sets(sets, predictions, model.described_name, methods=methods)
    with tempfile.TemporaryDirectory() as folder:
        return evaluate(model, sets, folder, methods=methods, progress=progress)


def write_predictions(
    model: Network,
    sets: Sequence[EvaluationSet],
    folder: str | Path,
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
    progress: bool = False,
    overwrite: bool = False,
) -> None:
    """Loop 1: ``folder/METHOD/SET/SCENE.npz`` for every method and scene, moved there as one.

    Raises:
        OutputError: a file of such a name is there that Glance3D did not write, without
            ``overwrite``.
    """
    chosen = choose_methods(methods)
    jobs = [
        (place, scene)
        for one_set, places in zip(sets, _places(sets), strict=True)
        for place, scene in zip(places, one_set.scenes, strict=True)
    ]
    model.eval()
    claimed = [
        _file("", method, place).as_posix()
        for place, scene in jobs
        for method in methods_for(scene, chosen)
    ]
    with open_result(folder, overwrite=overwrite) as result:
        result.claim(Claims(tuple(claimed)))
        with result.staged() as staging:
            for place, scene in tqdm(jobs, "predicting", unit="scene", disable=not progress):
                for method, prediction in run_methods(model, scene, chosen):
                    save_prediction(prediction, _file(staging.folder, method, place))


def score_sets(
    sets: Sequence[EvaluationSet],
    folder: str | Path,
    model_name: str,
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
) -> EvaluationReport:
    """Loop 2: scores of the predictions in ``folder``."""
    chosen = choose_methods(methods)
    reports = [
        SetReport(
            name=one_set.name,
            about=one_set.about,
            num_scenes=len(one_set.scenes),
            num_views=sum(len(scene.cameras) for scene in one_set.scenes),
            scores={
                method.name: _score_set(one_set, folder, method, places)
                for method in methods_for(one_set.scenes[0], chosen)
            },
            attempts={
                method.name: _score_attempts(one_set, folder, method, places)
                for method in methods_for(one_set.scenes[0], chosen)
            },
        )
        for one_set, places in zip(sets, _places(sets), strict=True)
    ]
    return EvaluationReport(model_name, tuple(reports))


def _score_set(
    one_set: EvaluationSet, folder: str | Path, method: Method, places: Sequence[Path]
) -> Scores:
    """Means over the set's scenes; a method predicts all of them or none."""
    return mean_scores(
        score_scene(load_prediction(_file(folder, method, place)), scene)
        for place, scene in zip(places, one_set.scenes, strict=True)
    )


def _score_attempts(
    one_set: EvaluationSet, folder: str | Path, method: Method, places: Sequence[Path]
) -> tuple[AttemptScore, ...]:
    """Of a set of one scene: of several, every scene has its own attempts."""
    if len(one_set.scenes) > 1:
        return ()
    (scene,) = one_set.scenes
    return score_attempts(load_prediction(_file(folder, method, places[0])), scene)


def _places(sets: Sequence[EvaluationSet]) -> list[list[Path]]:
    """``SET/SCENE.npz`` of every scene: a set's own file may call it anything, or as another."""
    folders = distinct_names(one_set.name for one_set in sets)
    return [
        [Path(folder, f"{name}.npz") for name in distinct_names(s.name for s in one_set.scenes)]
        for folder, one_set in zip(folders, sets, strict=True)
    ]


def _file(folder: str | Path, method: Method, place: Path) -> Path:
    return Path(folder) / method.name / place
