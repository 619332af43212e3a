"""Loop 1: what a network says about every scene, in the pixels of the original photos."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import SceneError
from glance3d.evaluation.baselines import trivial_cameras, trivial_intrinsics
from glance3d.evaluation.scenes import EvaluationScene
from glance3d.files import atomic_file
from glance3d.models import VGGT


@dataclass(frozen=True)
class ScenePrediction:
    """Cameras in any world at any scale, and depth maps at the photos' sizes (0: nothing said)."""

    cam_from_world: Float[Tensor, "views 3 4"]
    intrinsics: Float[Tensor, "views 3 3"]
    depth: tuple[Float[Tensor, "_height _width"], ...]


@torch.inference_mode()
def predict_scene(model: VGGT, scene: EvaluationScene) -> ScenePrediction:
    """One pass over all views of a scene. Depth goes to original pixels by nearest neighbour."""
    device = next(model.parameters()).device
    said = model(scene.images.to(device), outputs=("camera", "depth"))
    cam_from_world, intrinsics = (part[0].float().cpu() for part in said.cameras())
    assert said.depth is not None
    depth = said.depth[0].float().cpu()
    originals = [
        place.intrinsics_to_original(matrix)
        for place, matrix in zip(scene.placements, intrinsics, strict=True)
    ]
    return ScenePrediction(
        cam_from_world,
        torch.stack(originals),
        tuple(
            place.map_to_original(view) for place, view in zip(scene.placements, depth, strict=True)
        ),
    )


def predict_trivially(scene: EvaluationScene) -> ScenePrediction:
    """The trivial baseline's answer, which looks at nothing but the photos' number and sizes."""
    sizes = scene.cameras.image_sizes
    return ScenePrediction(
        trivial_cameras(len(sizes)),
        trivial_intrinsics(sizes),
        tuple(torch.ones(height, width) for width, height in sizes.tolist()),
    )


def save_prediction(prediction: ScenePrediction, path: str | Path) -> None:
    """Write ``.npz``: ``cam_from_world``, ``intrinsics``, ``depth_000`` and so on."""
    arrays = {
        "cam_from_world": prediction.cam_from_world.numpy(),
        "intrinsics": prediction.intrinsics.numpy(),
    }
    arrays |= {f"depth_{view:03d}": depth.numpy() for view, depth in enumerate(prediction.depth)}
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def load_prediction(path: str | Path) -> ScenePrediction:
    """Read what :func:`save_prediction` wrote."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            tensors = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        return ScenePrediction(
            tensors.pop("cam_from_world"), tensors.pop("intrinsics"), tuple(_in_order(tensors))
        )
    except (OSError, ValueError, KeyError) as error:
        raise SceneError(f"{path} holds no saved prediction: {error}") from error


def _in_order(tensors: dict[str, Tensor]) -> Iterator[Tensor]:
    for name in sorted(tensors):
        yield tensors[name]
