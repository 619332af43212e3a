"""Measure methods by a protocol: scene by scene, so that only one is in memory."""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from tqdm import tqdm

from glance3d.errors import ImageError, InputError
from glance3d.evaluation.evaluate import DEFAULT_METHODS
from glance3d.evaluation.methods import Method, choose_methods, run_methods
from glance3d.evaluation.predictions import load_prediction, save_prediction
from glance3d.evaluation.protocols.frames import FrameList, read_frame_list
from glance3d.evaluation.protocols.kept import KeptPredictions
from glance3d.evaluation.protocols.measures.measure import Values
from glance3d.evaluation.protocols.protocol import Protocol
from glance3d.evaluation.protocols.result import ProtocolResult, SceneResult
from glance3d.evaluation.protocols.truth import ListedScene, TrueScene
from glance3d.evaluation.scenes import EvaluationScene, evenly_spaced
from glance3d.files.name_keys import distinct_names
from glance3d.images import Preprocessing, load_images
from glance3d.models import Network
from glance3d.pass_options import PassOptions
from glance3d.results import Claims, open_result
from glance3d.text import first_names

logger = logging.getLogger(__name__)
_FEWEST_FRAMES = 2


@dataclass(frozen=True)
class RunOptions:
    """What of a protocol is run, and how the network is shown it.

    ``scenes`` are some of the data's (or categories of them), ``frames`` a file that lists frames
    (:class:`.frames.FrameList`), ``max_frames`` takes so many of a scene's, evenly spaced. Each of
    these makes another measurement than the protocol's, and the result says so.
    """

    scenes: tuple[str, ...] = ()
    frames: Path | None = None
    max_frames: int | None = None
    passes: PassOptions = field(default_factory=PassOptions)

    @property
    def deviations(self) -> tuple[str, ...]:
        """What is not as the protocol has it, in words."""
        said = []
        if self.scenes:
            said.append(f"only scenes {', '.join(self.scenes)}")
        if self.frames is not None:
            said.append("frames by a list instead of the protocol's rule")
        if self.max_frames is not None:
            said.append(f"at most {self.max_frames} frames of a scene")
        if self.passes.window is not None:
            said.append(f"the network sees {self.passes.window} frames at a time")
        return tuple(said)


@dataclass(frozen=True)
class _Chosen:
    """A scene and the places of the frames that are looked at."""

    scene: ListedScene
    places: list[int]

    @property
    def frames(self) -> tuple[str, ...]:
        return tuple(self.scene.frames[place] for place in self.places)


def run_protocol(
    model: Network,
    protocol: Protocol,
    data: str | Path,
    predictions: str | Path | None = None,
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
    options: RunOptions | None = None,
    progress: bool = False,
    overwrite: bool = False,
) -> ProtocolResult:
    """Write every method's predictions of every scene, and score what was written.

    Args:
        model: The network.
        protocol: From :func:`.protocol.load_protocol`.
        data: The folder of the data set, in the protocol's layout.
        predictions: Where ``METHOD/PROTOCOL/SCENE.npz`` go; by default to a temporary folder.
            A run that is stopped keeps there what it has, in a hidden folder, and the same run
            goes on from it.
        methods: Names in :data:`glance3d.evaluation.methods.METHODS`.
        options: What deviates from the protocol.
        progress: Whether a bar is shown.
        overwrite: Whether files may be replaced there that Glance3D did not write.

    Raises:
        ImageError: the data does not lie as it should, or is damaged.
        InputError: an option or a list of frames does not fit it.
        OutputError: a file is in the way.
    """
    options = RunOptions() if options is None else options
    chosen_methods = choose_methods(methods)
    frame_list = None if options.frames is None else read_frame_list(options.frames)
    chosen, left_out = choose_frames(protocol, Path(data), options, frame_list)
    model.eval()
    names = distinct_names(one.scene.name for one in chosen)
    places = [{m.name: _place(m, protocol, name) for m in chosen_methods} for name in names]
    with ExitStack() as stack:
        folder = predictions
        if folder is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="glance3d-"))
        result = stack.enter_context(open_result(folder, overwrite=overwrite))
        claimed = (file.as_posix() for files in places for file in files.values())
        result.claim(Claims(tuple(claimed)))
        keep_in = None if predictions is None else result.unfinished
        kept = KeptPredictions(keep_in, model, protocol, options.passes)
        try:
            with result.staged() as staging:
                files = [
                    {name: staging.folder / file for name, file in of_scene.items()}
                    for of_scene in places
                ]
                scenes = tqdm(chosen, "measuring", unit="scene", disable=not progress)
                results = [
                    _measure(model, protocol, one, chosen_methods, options, own, kept)
                    for one, own in zip(scenes, files, strict=True)
                ]
        except BaseException as error:
            kept.say_what_is_kept(error)
            raise
        if kept.num_taken:
            logger.info(
                "%d of %d scenes taken from a run that was stopped", kept.num_taken, len(chosen)
            )
        kept.remove()
    return ProtocolResult(
        protocol,
        model.config.name,
        tuple(results),
        tuple(method.name for method in chosen_methods),
        options.deviations + _missing(protocol, options, chosen),
        left_out,
        None if frame_list is None else frame_list.sha256,
    )


def choose_frames(
    protocol: Protocol, data: Path, options: RunOptions, frame_list: FrameList | None
) -> tuple[list[_Chosen], tuple[str, ...]]:
    """The scenes with the frames that are looked at, and the names of scenes left out.

    Raises:
        ImageError, InputError: as :func:`run_protocol`.
    """
    unknown = sorted(set(options.scenes) - set(protocol.scenes)) if protocol.scenes else []
    if unknown:
        raise InputError(
            f"scenes must be some of {', '.join(protocol.scenes)}, got {', '.join(unknown)}"
        )
    if options.max_frames is not None and options.max_frames < _FEWEST_FRAMES:
        raise InputError(f"max frames must be {_FEWEST_FRAMES} or more, got {options.max_frames}")
    listed = protocol.layout.list_scenes(data, options.scenes or protocol.scenes)
    rule = protocol.frames if frame_list is None else frame_list
    chosen, left_out = [], []
    for scene in listed:
        places = rule.choose(scene)
        if options.max_frames is not None:
            places = [places[index] for index in evenly_spaced(len(places), options.max_frames)]
        if len(places) >= _FEWEST_FRAMES:
            chosen.append(_Chosen(scene, places))
        else:
            left_out.append(scene.name)
    if not chosen:
        raise ImageError(
            f"no scene of {data} has the frames that {protocol.name} looks at: it has "
            f"{first_names(left_out)}"
        )
    return chosen, tuple(left_out)


def _missing(protocol: Protocol, options: RunOptions, chosen: Sequence[_Chosen]) -> tuple[str, ...]:
    """The protocol's scenes that the data does not have."""
    there = {name for one in chosen for name in (one.scene.name, one.scene.category)}
    missing = [name for name in (options.scenes or protocol.scenes) if name not in there]
    return (f"no data of {first_names(missing)}",) if missing else ()


def _place(method: Method, protocol: Protocol, name: str) -> Path:
    return Path(method.name, *distinct_names([protocol.name]), f"{name}.npz")


def _measure(
    model: Network,
    protocol: Protocol,
    chosen: _Chosen,
    methods: Sequence[Method],
    options: RunOptions,
    files: Mapping[str, Path],
    kept: KeptPredictions,
) -> SceneResult:
    truth = chosen.scene.read(chosen.places)
    _predict(model, protocol, truth, methods, options, files, kept)
    values: dict[str, Values] = {}
    seconds = {}
    for method in methods:
        written = load_prediction(files[method.name])
        seconds[method.name] = written.seconds
        values[method.name] = {
            name: value
            for measure in protocol.measures
            for name, value in measure.score(written, truth).items()
        }
    return SceneResult(chosen.scene.name, chosen.scene.category, chosen.frames, values, seconds)


def _predict(
    model: Network,
    protocol: Protocol,
    truth: TrueScene,
    methods: Sequence[Method],
    options: RunOptions,
    files: Mapping[str, Path],
    kept: KeptPredictions,
) -> None:
    """Write every method's file of a scene, or take them if a stopped run has all of them."""
    preprocessing = _input(model, protocol)
    places = {
        method.name: kept.place(method, truth.name, truth.image_paths, preprocessing)
        for method in methods
    }
    if all(place is not None and place.is_file() for place in places.values()):
        kept.num_taken += 1
        for name, place in places.items():
            assert place is not None
            kept.take(place, files[name])
        return
    scene = evaluation_scene(truth, preprocessing)
    for method, prediction in run_methods(
        model, scene, methods, options.passes, keep_depth=protocol.needs_depth
    ):
        save_prediction(prediction, files[method.name])
        kept.keep(files[method.name], places[method.name])


def _input(model: Network, protocol: Protocol) -> Preprocessing:
    """How the network is shown the photos."""
    if isinstance(protocol.input, str):
        return model.preprocessing
    side = protocol.input
    return replace(model.preprocessing, mode="fit", max_pixels=side * side, max_side=side)


def evaluation_scene(truth: TrueScene, preprocessing: Preprocessing) -> EvaluationScene:
    """What methods are given: the photos, in this order, and as many cameras.

    Raises:
        ImageError: a photo cannot be read.
    """
    batch = load_images(list(truth.image_paths), preprocessing)
    if batch.skipped:
        raise ImageError(
            f"{batch.skipped[0].source} cannot be read ({batch.skipped[0].reason}): a protocol "
            "needs every photo of its frames"
        )
    return EvaluationScene(
        truth.name, batch, truth.cameras.float(), (None,) * len(truth.image_paths)
    )
