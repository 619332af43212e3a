"""Cameras into tokens and tokens into cameras (Depth Anything 3, section 3.2).

A camera is nine numbers: :mod:`glance3d.models.da3.pose_encoding`.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from glance3d.geometry.pose_encoding import PLAIN_CAMERA, POSE_DIM
from glance3d.models.config.da3 import CameraEncoderConfig
from glance3d.nn.block import Block
from glance3d.nn.mlp import Mlp
from glance3d.nn.precision import LayerNorm, Linear


class CameraEncoder(nn.Module):
    """Given cameras to camera tokens, with attention across the views of a scene."""

    def __init__(self, dim: int, config: CameraEncoderConfig) -> None:
        super().__init__()
        self.pose_mlp = Mlp(POSE_DIM, dim // 2, dim)
        self.token_norm = LayerNorm(dim)
        self.trunk = nn.ModuleList(
            Block(dim, config.num_heads, mlp_ratio=config.mlp_ratio, init_values=config.init_values)
            for _ in range(config.depth)
        )
        self.trunk_norm = LayerNorm(dim)

    def forward(self, pose_enc: Float[Tensor, "batch views 9"]) -> Float[Tensor, "batch views dim"]:
        """One token a view."""
        x = self.token_norm(self.pose_mlp(pose_enc))
        for block in self.trunk:
            x = block(x)
        return self.trunk_norm(x)


class CameraDecoder(nn.Module):
    """The last layer's camera token of each view to its camera."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.hidden = nn.ModuleList([Linear(dim, dim), Linear(dim, dim)])
        self.centre = Linear(dim, 3)
        self.quaternion = Linear(dim, 4)
        self.field_of_view = Linear(dim, 2)

    def initialise(self) -> None:
        """Begin near a plain camera: no field of view at 0, where the relu passes no gradient."""
        layers = (self.centre, self.quaternion, self.field_of_view)
        plain = torch.tensor(PLAIN_CAMERA).split((3, 4, 2))
        with torch.no_grad():
            for layer, part in zip(layers, plain, strict=True):
                layer.weight.mul_(0.1)
                layer.bias.copy_(part)

    def forward(
        self, camera_tokens: Float[Tensor, "batch views dim"]
    ) -> Float[Tensor, "batch views 9"]:
        """A pose encoding; a field of view is not negative."""
        x = camera_tokens
        for layer in self.hidden:
            x = F.relu(layer(x))
        return torch.cat([self.centre(x), self.quaternion(x), F.relu(self.field_of_view(x))], -1)
