"""A method that knows the truth and errs by what a test says."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from glance3d.evaluation.methods import METHODS, Method, Task
from glance3d.evaluation.predictions import ScenePrediction
from glance3d.evaluation.protocols import ProtocolResult, RunOptions, load_protocol, run_protocol
from glance3d.geometry.rotations import so3_exp
from glance3d.geometry.similarity import Similarity

Spoil = Callable[[torch.Tensor], torch.Tensor]
#: Another world, whose unit is twice as long: predictions lie in it.
OTHER = Similarity(
    2.0,
    so3_exp(torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)),
    torch.tensor([3.0, -1.0, 2.0], dtype=torch.float64),
)


def in_other_world(cam_from_world: torch.Tensor) -> torch.Tensor:
    return OTHER.transform_cameras(cam_from_world)


def first_turned(degrees: float) -> Spoil:
    """The first camera of a scene turned about its own y axis, in the other world."""

    def spoil(cam_from_world: torch.Tensor) -> torch.Tensor:
        spoiled = in_other_world(cam_from_world)
        angle = torch.tensor([0.0, degrees, 0.0], dtype=torch.float64).deg2rad()
        spoiled[0] = so3_exp(angle) @ spoiled[0]
        return spoiled

    return spoil


class Fake:
    """Runs protocols with a method that is given truth, spoils poses, and has depth maps."""

    def __init__(self, model: object, patch: pytest.MonkeyPatch) -> None:
        self.model, self.patch = model, patch

    def run(
        self,
        name: str,
        data: Path,
        poses: Spoil = in_other_world,
        depth: Callable[[int], torch.Tensor] | None = None,
        options: RunOptions | None = None,
        predictions: Path | None = None,
    ) -> ProtocolResult:
        """``depth`` gives the predicted map of a view, by its place among the chosen ones."""

        def predict(task: Task) -> ScenePrediction:
            cameras = task.scene.cameras
            spoiled = poses(cameras.cam_from_world.double())
            maps = () if depth is None else tuple(depth(view) for view in range(len(cameras)))
            return ScenePrediction(spoiled, cameras.intrinsics, maps)

        self.patch.setitem(METHODS, "fake", Method("fake", "the truth, spoiled", predict))
        protocol = load_protocol(name)
        return run_protocol(
            self.model, protocol, data, predictions, methods=["fake"], options=options
        )
