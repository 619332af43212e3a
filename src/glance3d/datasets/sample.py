"""The samples of every dataset: several photos of one scene with true geometry."""

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class MultiViewSample:
    """A batch of scenes, each seen in the same number of views of the same size.

    Convention: OpenCV camera axes; pixels are those of ``images`` with the centre of the top-left
    pixel at (0.5, 0.5). The world frame and the unit of length are the dataset's own: training
    transforms a sample to the first camera's frame and normalises its scale.
    """

    #: RGB in [0, 1].
    images: Float[Tensor, "batch views 3 height width"]
    cam_from_world: Float[Tensor, "batch views 3 4"]
    intrinsics: Float[Tensor, "batch views 3 3"]
    #: z-depth at pixel centres; 0 where ``valid`` is False.
    depth: Float[Tensor, "batch views height width"]
    #: False where the depth is unknown or infinite (sky).
    valid: Bool[Tensor, "batch views height width"]
    #: Pixels (x, y) of the first view.
    query_points: Float[Tensor, "batch queries 2"] | None = None
    #: Where each query point's surface point projects to, in every view, seen or not.
    tracks: Float[Tensor, "batch views queries 2"] | None = None
    #: True where that projection is inside the image and nothing hides it.
    visibility: Bool[Tensor, "batch views queries"] | None = None

    def of_scenes(self, scenes: slice) -> "MultiViewSample":
        """Only these scenes of the batch."""
        parts = {
            field.name: value[scenes]
            for field in fields(self)
            if (value := getattr(self, field.name)) is not None
        }
        return replace(self, **parts)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "MultiViewSample":
        """The same sample with every tensor on ``device``."""
        moved = {
            field.name: value.to(device, non_blocking=non_blocking)
            for field in fields(self)
            if (value := getattr(self, field.name)) is not None
        }
        return replace(self, **moved)
