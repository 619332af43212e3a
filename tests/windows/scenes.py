"""A known scene, and a network that sees it in a frame and at a scale of its own every time."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.pose_encoding import encode_pose
from glance3d.geometry.rotations import so3_exp
from glance3d.geometry.transforms import invert
from glance3d.types import Predictions

HEIGHT, WIDTH = 12, 16


@dataclass
class Oracle:
    """The truth in the frame of view 0; :meth:`predict` tells it as VGGT would.

    Every pass is in the first view's frame, at the scale that ``scales`` has next, with depth noise
    (relative) where the confidence is low, and with poses that are wrong where ``wrong`` says
    (pass, view).
    """

    cam_from_world: Float[Tensor, "views 3 4"]
    depth: Float[Tensor, "views height width"]
    scales: Sequence[float]
    noise: float = 0.0
    wrong: frozenset[tuple[int, int]] = frozenset()
    passes: int = 0

    def __len__(self) -> int:
        return len(self.depth)

    def predict(self, views: Sequence[int]) -> Predictions:
        """What the network says of these views, the first of them first."""
        scale = self.scales[self.passes % len(self.scales)]
        index = list(views)
        poses = _compose(self.cam_from_world[index], invert(self.cam_from_world[index[0]]))
        poses[..., 3] *= scale
        random = torch.Generator().manual_seed(self.passes)
        for place, view in enumerate(views):
            if (self.passes, view) in self.wrong:
                turn = so3_exp(torch.tensor([0.3, 0.5, -0.2], dtype=torch.float64))
                poses[place, :, :3] = turn @ poses[place, :, :3]
                poses[place, :, 3] += 0.7 * scale
        depth = self.depth[index] * scale
        confidence = 1 + torch.rand(depth.shape, generator=random, dtype=torch.float64)
        errors = torch.randn(depth.shape, generator=random, dtype=torch.float64)
        depth = depth * (self.noise * (confidence < 1.5) * errors).exp()
        self.passes += 1
        intrinsics = torch.tensor([[20.0, 0, 8], [0, 20.0, 6], [0, 0, 1]]).double()
        encoded = encode_pose(poses, intrinsics.expand(len(index), 3, 3), HEIGHT, WIDTH)
        return Predictions(
            (HEIGHT, WIDTH),
            pose_enc=encoded[None].float(),
            depth=depth[None].float(),
            depth_conf=confidence[None].float(),
        )


def walk(num_views: int, **changes) -> Oracle:
    """Cameras along an arc, each looking at rough ground some metres away."""
    random = torch.Generator().manual_seed(7)
    along = torch.linspace(0, 2.0, num_views, dtype=torch.float64)
    turns = torch.stack([0.1 * along.sin(), along, 0.05 * along], -1)
    rotations = so3_exp(turns)
    centers = torch.stack([3 * along, 0.2 * along.cos(), 2 * along.sin()], -1)
    shifts = -(rotations @ centers[..., None])
    cam_from_world = _compose(
        torch.cat([rotations, shifts], -1), invert(torch.cat([rotations, shifts], -1)[0])
    )
    depth = 4 + 2 * torch.rand(num_views, HEIGHT, WIDTH, generator=random, dtype=torch.float64)
    return Oracle(cam_from_world, depth, **{"scales": (1.0,), **changes})


def _compose(
    a_from_b: Float[Tensor, "*#views 3 4"], b_from_c: Float[Tensor, "*#views 3 4"]
) -> Float[Tensor, "*views 3 4"]:
    rotation = a_from_b[..., :3] @ b_from_c[..., :3]
    shift = a_from_b[..., :3] @ b_from_c[..., 3:] + a_from_b[..., 3:]
    return torch.cat([rotation, shift], -1)
