"""One method's prediction of one scene, in original pixels, and its file on disk."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.errors import SceneError
from glance3d.files.atomic import atomic_file
from glance3d.files.npz_input import open_arrays
from glance3d.types import HELD_BY_PHOTOS, Reconstruction

_ARRAYS = (
    *("cam_from_world", "intrinsics", "seconds", "registered", "trusted", "tracks"),
    "attempt_names",
)
_MOST_DEFLATED = 1032  # times


@dataclass(frozen=True)
class AttemptPoses:
    """Where one attempt of refinement put the views; NaN for those that it did not hold."""

    name: str
    cam_from_world: Float[Tensor, "views 3 4"]


@dataclass(frozen=True)
class ScenePrediction:
    """Cameras in any world at any scale, and depth maps at the photos' sizes (0: unknown), or none.

    Unknown poses and intrinsics are NaN. ``tracks`` are the predicted positions of the scene's
    points, in original pixels; None if none were predicted. ``measured`` is True where the method
    claims that depth was measured and not guessed; None if it makes no such claim. ``registered``
    is True where matches between the photos hold a pose; None for methods without matches.
    ``trusted`` is True for views with the verdict "good"; None without verdicts. ``seconds`` is the
    time of the method without the one it started from; NaN if not timed. ``attempts`` are what
    refinement tried, in order.
    """

    cam_from_world: Float[Tensor, "views 3 4"]
    intrinsics: Float[Tensor, "views 3 3"]
    depth: tuple[Float[Tensor, "_height _width"], ...]
    measured: tuple[Bool[Tensor, "_height _width"], ...] | None = None
    registered: Bool[Tensor, " views"] | None = None
    trusted: Bool[Tensor, " views"] | None = None
    seconds: float = float("nan")
    tracks: Float[Tensor, "views queries 2"] | None = None
    attempts: tuple[AttemptPoses, ...] = ()


def prediction_of_scene(scene: Reconstruction, *, keep_depth: bool = True) -> ScenePrediction:
    """A scene's cameras and depth. Maps go to original pixels by nearest neighbour.

    Without ``keep_depth`` there are no maps, which are large where photos are.
    """
    maps = torch.zeros(scene.mask.shape) if scene.depth is None else scene.depth
    measured = None
    if scene.measured is not None and keep_depth:
        shares = _at_original_pixels(scene, scene.measured.float())
        measured = tuple(share > 0.5 for share in shares)
    return ScenePrediction(
        scene.cameras.cam_from_world,
        scene.cameras.intrinsics,
        _at_original_pixels(scene, maps) if keep_depth else (),
        measured,
        _registered(scene),
        _trusted(scene),
    )


def _at_original_pixels(
    scene: Reconstruction, maps: Float[Tensor, "views height width"]
) -> tuple[Tensor, ...]:
    return tuple(
        place.map_to_original(one) for place, one in zip(scene.placements, maps, strict=True)
    )


def _registered(scene: Reconstruction) -> Tensor | None:
    """Which poses are held by matches between the photos, if the scene was refined."""
    if not scene.registered_by:
        return None
    return torch.tensor([by in HELD_BY_PHOTOS for by in scene.registered_by])


def _trusted(scene: Reconstruction) -> Tensor | None:
    """Which views have the verdict "good", if the scene was judged."""
    if scene.trust is None:
        return None
    return torch.tensor([view.verdict == "good" for view in scene.trust])


def save_prediction(prediction: ScenePrediction, path: str | Path) -> None:
    """Write ``.npz``: ``cam_from_world``, ``intrinsics``, ``tracks``, ``depth_000`` and so on."""
    arrays = {
        "cam_from_world": prediction.cam_from_world.numpy(),
        "intrinsics": prediction.intrinsics.numpy(),
        "seconds": np.array(prediction.seconds),
    }
    arrays |= _numbered("depth", prediction.depth)
    arrays |= _numbered("measured", prediction.measured or ())
    for name in ("registered", "trusted", "tracks"):
        if (values := getattr(prediction, name)) is not None:
            arrays[name] = values.numpy()
    arrays |= _numbered("attempt", tuple(one.cam_from_world for one in prediction.attempts))
    if prediction.attempts:
        names = json.dumps([one.name for one in prediction.attempts]).encode()
        arrays["attempt_names"] = np.frombuffer(names, np.uint8)
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def load_prediction(path: str | Path) -> ScenePrediction:
    """Read what :func:`save_prediction` wrote."""
    try:
        # A depth map of zeros compresses to a thousandth.
        with open_arrays(Path(path), _is_known, max_growth=_MOST_DEFLATED) as file:
            arrays = {name: torch.from_numpy(file.read(name)) for name in file.headers}
        return ScenePrediction(
            arrays["cam_from_world"],
            arrays["intrinsics"],
            _in_order(arrays, "depth"),
            _in_order(arrays, "measured") or None,
            arrays.get("registered"),
            arrays.get("trusted"),
            float(arrays["seconds"]),
            arrays.get("tracks"),
            _attempts(arrays),
        )
    except (SceneError, OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise SceneError(f"{path} holds no saved prediction: {error}") from error


def _is_known(name: str) -> bool:
    return name in _ARRAYS or re.fullmatch(r"(depth|measured|attempt)_\d{3,5}", name) is not None


def _numbered(name: str, maps: tuple[Tensor, ...]) -> dict[str, np.ndarray]:
    return {f"{name}_{view:03d}": one.numpy() for view, one in enumerate(maps)}


def _attempts(arrays: dict[str, Tensor]) -> tuple[AttemptPoses, ...]:
    if "attempt_names" not in arrays:
        return ()
    names = json.loads(arrays.pop("attempt_names").numpy().tobytes())
    poses = _in_order(arrays, "attempt")
    return tuple(AttemptPoses(str(name), own) for name, own in zip(names, poses, strict=True))


def _in_order(arrays: dict[str, Tensor], name: str) -> tuple[Tensor, ...]:
    return tuple(arrays[key] for key in sorted(arrays) if key.startswith(f"{name}_"))
