"""The camera head: a pose encoding refined over a few iterations (VGGT, section 3.3)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from glance3d.geometry.pose_encoding import PLAIN_CAMERA, POSE_DIM
from glance3d.models.config import CameraHeadConfig
from glance3d.nn.block import Block
from glance3d.nn.mlp import Mlp
from glance3d.nn.precision import LayerNorm, Linear
from glance3d.nn.tables import constant


class CameraHead(nn.Module):
    """Camera tokens of all views to pose encodings, with attention across the views."""

    def __init__(self, dim: int, config: CameraHeadConfig) -> None:
        super().__init__()
        self.num_iterations = config.num_iterations
        self.starts_from_matches = config.start == "matches"
        self.token_norm = LayerNorm(dim)
        self.empty_pose = nn.Parameter(torch.zeros(1, 1, POSE_DIM))
        self.embed_pose = Linear(POSE_DIM, dim)
        self.modulation = Linear(dim, 3 * dim)
        self.adaptive_norm = LayerNorm(dim, eps=1e-6, elementwise_affine=False)
        self.trunk = nn.ModuleList(
            Block(dim, config.num_heads, mlp_ratio=config.mlp_ratio, init_values=config.init_values)
            for _ in range(config.trunk_depth)
        )
        self.trunk_norm = LayerNorm(dim)
        self.pose_mlp = Mlp(dim, dim // 2, POSE_DIM)

    def forward(
        self,
        camera_tokens: Float[Tensor, "batch views dim"],
        start: Float[Tensor, "batch views 9"] | None = None,
    ) -> Float[Tensor, "iterations batch views 9"]:
        """The prediction of every iteration, the last one the best.

        ``start``: what to refine, for a head that starts from matches; without it (there is one
        view) from a plain camera.
        """
        tokens = self.token_norm(camera_tokens)
        raw = None
        if self.starts_from_matches:
            plain = constant(PLAIN_CAMERA, tokens.device).expand(*tokens.shape[:2], -1)
            raw = plain if start is None else start
        predictions = []
        for _ in range(self.num_iterations):
            # Gradients reach each update, not what it starts from.
            delta = self._refine(tokens, self.empty_pose if raw is None else raw.detach())
            raw = delta if raw is None else raw + delta
            predictions.append(_activate(raw))
        return torch.stack(predictions)

    def initialise(self) -> None:
        """Begin at a plain camera (no quaternion of length 0), or change nothing of a start."""
        layer = self.pose_mlp.fc2
        with torch.no_grad():
            if self.starts_from_matches:
                layer.weight.zero_()
                layer.bias.zero_()
                return
            layer.weight.mul_(0.1)
            layer.bias.copy_(torch.tensor(PLAIN_CAMERA))
            layer.bias.div_(self.num_iterations)  # the iterations' updates add up

    def _refine(
        self, tokens: Float[Tensor, "batch views dim"], pose_enc: Float[Tensor, "#batch #views 9"]
    ) -> Float[Tensor, "batch views 9"]:
        """One update of the raw encoding: tokens modulated by the current one, then the trunk."""
        # Adaptive layer norm (Peebles and Xie 2023): the pose decides shift, scale and gate.
        embedded = F.silu(self.embed_pose(pose_enc)).expand(tokens.shape)
        shift, scale, gate = self.modulation(embedded).chunk(3, dim=-1)
        x = gate * (self.adaptive_norm(tokens) * (1 + scale) + shift) + tokens
        for block in self.trunk:
            x = block(x)
        return self.pose_mlp(self.trunk_norm(x)).float()


def _activate(raw: Float[Tensor, "*batch 9"]) -> Float[Tensor, "*batch 9"]:
    """Translation and quaternion as they are; a field of view is not negative."""
    return torch.cat([raw[..., :7], F.relu(raw[..., 7:])], dim=-1)
