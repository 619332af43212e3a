"""The methods that are measured side by side, in one table. Add new ones to it.

A method predicts one scene at a time: a ``Reconstruction``, from which other methods may start, or
only cameras and depth.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import InputError
from glance3d.evaluation.baselines import predict_trivially
from glance3d.evaluation.colmap_baseline import predict_by_colmap
from glance3d.evaluation.predictions import AttemptPoses, ScenePrediction, prediction_of_scene
from glance3d.evaluation.scenes import EvaluationScene
from glance3d.models import Network
from glance3d.pass_options import PassOptions
from glance3d.prediction import predict
from glance3d.tracking import track_pixels
from glance3d.types import Reconstruction


@dataclass(frozen=True)
class Task:
    """A scene, the network, and the result of the method that this one starts from.

    A method that tries several things adds them to ``attempts``. ``options`` are of the network's
    pass.
    """

    scene: EvaluationScene
    model: Network
    earlier: Reconstruction | None = None
    attempts: list[AttemptPoses] = field(default_factory=list)
    options: PassOptions = field(default_factory=PassOptions)


@dataclass(frozen=True)
class Method:
    """How to get cameras and depth.

    ``after`` names the method from whose scene this one starts. One that ``needs_photos`` reads
    their files at full size, so that it cannot predict rendered scenes. ``track`` predicts the
    points of a scene with true tracks, and is not timed.
    """

    name: str
    about: str
    predict: Callable[[Task], Reconstruction | ScenePrediction]
    after: str | None = None
    needs_photos: bool = False
    track: Callable[[Task], Float[Tensor, "views queries 2"] | None] | None = None


def _predict(task: Task) -> Reconstruction:
    batch = task.scene.batch
    predictions = predict(task.model, batch, task.options)
    return predictions.to_reconstruction(batch, model=task.model.config.name)


def _track(task: Task) -> Float[Tensor, "views queries 2"] | None:
    """By the network's best method, on the images that it sees."""
    true = task.scene.tracks
    if true is None or "tracks" not in task.model.config.outputs:
        return None
    pixels = true.positions[0]
    first = torch.zeros(len(pixels), dtype=torch.long)
    return track_pixels(task.model, task.scene.batch, first, pixels).positions


def _stay(task: Task) -> Float[Tensor, "views queries 2"] | None:
    true = task.scene.tracks
    return None if true is None else true.positions[:1].expand_as(true.positions)


def _refine(task: Task) -> Reconstruction:
    from glance3d.refinement import refine
    from glance3d.refinement.mapping.attempts import watch_attempts

    assert task.earlier is not None

    def watch(name: str, poses: dict[int, Float[Tensor, "3 4"]]) -> None:
        all_poses = torch.full((len(task.scene.cameras), 3, 4), torch.nan, dtype=torch.float64)
        for view, pose in poses.items():
            all_poses[view] = pose
        task.attempts.append(AttemptPoses(name, all_poses))

    with watch_attempts(watch):
        return refine(task.earlier, network=task.model, densify=False)


def _densify(task: Task) -> Reconstruction:
    from glance3d.densification import densify
    from glance3d.images import Originals

    assert task.earlier is not None
    return densify(task.earlier, Originals(task.earlier))


METHODS = {
    method.name: method
    for method in (
        Method("network", "one pass of the network", _predict, track=_track),
        Method("refined", "the network's scene, refined", _refine, "network", True),
        Method("densified", "the refined scene, densified", _densify, "refined", True),
        Method(
            "trivial",
            "cameras side by side, 55 degrees wide, constant depth, points that stay: looks at no "
            "pixel",
            lambda task: predict_trivially(task.scene),
            track=_stay,
        ),
        Method(
            "colmap",
            "pycolmap's incremental mapping, default options, from the photos alone",
            lambda task: predict_by_colmap(task.scene),
            needs_photos=True,
        ),
    )
}


def choose_methods(names: Sequence[str]) -> tuple[Method, ...]:
    """The methods of these names and those that they start from, in the table's order."""
    wanted = set(names)
    if unknown := sorted(wanted - METHODS.keys()):
        raise InputError(f"unknown method {', '.join(unknown)}: choose from {', '.join(METHODS)}")
    for method in reversed(METHODS.values()):
        if method.name in wanted and method.after is not None:
            wanted.add(method.after)
    return tuple(method for method in METHODS.values() if method.name in wanted)


def methods_for(scene: EvaluationScene, methods: Sequence[Method]) -> list[Method]:
    """Those of ``methods`` that can predict this scene."""
    return [method for method in methods if scene.has_photos or not method.needs_photos]


def run_methods(
    model: Network,
    scene: EvaluationScene,
    methods: Sequence[Method],
    options: PassOptions | None = None,
    *,
    keep_depth: bool = True,
) -> Iterator[tuple[Method, ScenePrediction]]:
    """What every method predicts for one scene, each timed alone.

    ``options`` are of the network's pass. Without ``keep_depth`` predictions are cameras alone.
    """
    options = PassOptions() if options is None else options
    made: dict[str, Reconstruction] = {}
    for method in methods_for(scene, methods):
        task = Task(scene, model, made.get(method.after or ""), options=options)
        start = perf_counter()
        predicted = method.predict(task)
        seconds = perf_counter() - start
        if isinstance(predicted, Reconstruction):
            made[method.name] = predicted
            predicted = prediction_of_scene(predicted, keep_depth=keep_depth)
        elif not keep_depth:
            predicted = replace(predicted, depth=(), measured=None)
        tracks = None if method.track is None else method.track(task)
        attempts = tuple(task.attempts)
        yield method, replace(predicted, seconds=seconds, tracks=tracks, attempts=attempts)
