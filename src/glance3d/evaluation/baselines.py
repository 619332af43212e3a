"""The trivial baseline: a prediction that uses no pixel.

Every camera looks the same way (identity rotations), each stands one step to the right of the one
before it, every field of view along the longer side is 55 degrees, and every pixel is at depth 1. A
step to the right is how stereo pairs are taken and how people walk past an object. A network must
score clearly better than this.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.evaluation.predictions import ScenePrediction
from glance3d.evaluation.scenes import EvaluationScene
from glance3d.geometry.cameras import intrinsics_from_fov

TRIVIAL_FOV_DEG = 55.0


def predict_trivially(scene: EvaluationScene) -> ScenePrediction:
    """The trivial baseline's prediction, from the number and the sizes of the photos alone."""
    sizes = scene.cameras.image_sizes
    return ScenePrediction(
        trivial_cameras(len(sizes)),
        trivial_intrinsics(sizes),
        tuple(torch.ones(1, 1).expand(height, width) for width, height in sizes.tolist()),
    )


def trivial_cameras(num_views: int) -> Float[Tensor, "views 3 4"]:
    """``cam_from_world``: identity rotations, camera i standing at (i, 0, 0)."""
    cam_from_world = torch.eye(3, 4).repeat(num_views, 1, 1)
    cam_from_world[:, 0, 3] = -torch.arange(num_views, dtype=torch.float32)
    return cam_from_world


def trivial_intrinsics(sizes: Int[Tensor, "views 2"]) -> Float[Tensor, "views 3 3"]:
    """Square pixels, 55 degrees along the longer side; ``sizes`` are (width, height)."""
    matrices = []
    for width, height in sizes.tolist():
        focal = max(width, height) / 2 / math.tan(math.radians(TRIVIAL_FOV_DEG) / 2)
        fov = [torch.tensor(2 * math.atan(side / 2 / focal)) for side in (height, width)]
        matrices.append(intrinsics_from_fov(fov[0], fov[1], height, width))
    return torch.stack(matrices)
