"""Bytes of a pass of Depth Anything 3."""

from dataclasses import dataclass

from torch import nn

from glance3d.models.config import DPTHeadConfig
from glance3d.models.config.da3 import DA3Config
from glance3d.models.da3.backbone import NUM_SPECIAL
from glance3d.models.da3.dense_head import RAY_DIM
from glance3d.models.da3.network import DA3
from glance3d.models.memory.pass_sizes import FLOAT32, IMAGE_CHANNELS, MAP_CHANNELS, PassSizes

_RAYS_PER_PATCH = 64


@dataclass(frozen=True)
class DA3PassSizes(PassSizes):
    """What one pass of Depth Anything 3 holds."""

    network: DA3

    @property
    def config(self) -> DA3Config:
        """The network's."""
        return self.network.config

    @property
    def num_special(self) -> int:
        """The camera token."""
        return NUM_SPECIAL

    @property
    def embed_dim(self) -> int:
        """The width of a token."""
        return self.config.embed_dim

    @property
    def hidden_ratio(self) -> float:
        """Numbers of a block's hidden layer for each of a token's; a gated one has two halves."""
        backbone = self.config.backbone
        return backbone.hidden_dim * (3 if backbone.gated else 1) / self.embed_dim

    @property
    def dense_heads(self) -> dict[str, DPTHeadConfig]:
        """One, for depth and rays."""
        return {name: self.config.dense for name in ("depth", "rays") if name in self.outputs}

    @property
    def parts_that_run(self) -> list[nn.Module]:
        """The backbone, and the heads that these outputs need."""
        network = self.network
        parts: list[nn.Module] = [network.backbone]
        if "camera" in self.outputs:
            parts.append(network.camera_decoder)
        return parts + ([network.dense_head] if self.dense_heads else [])

    def of_view(self, keeps_layers: bool = False) -> int:
        """What is kept of a view: the larger of the last global layer's and the heads' demands.

        Layers are never kept whole: ``keeps_layers`` changes nothing.
        """
        stream = self.tokens * self.embed_dim
        levels = [self.patches * c * self.product for c in self.config.dense.channels]
        kept = sum(levels) if self.dense_heads else 0
        # While the last global layer attends: residual stream, the last local block's copy of it,
        # the norm, queries, keys, values and what they attend to.
        attending = stream * (3 * FLOAT32 + 4 * self.product) + (kept and sum(levels[:3]))
        # A layer in the caller's order of views, both halves.
        reading = stream * 4 * FLOAT32 + kept
        images = IMAGE_CHANNELS * self.pixels * FLOAT32
        return images + max(attending, reading, kept + self.results())

    def results(self) -> int:
        """Depth and rays."""
        numbers = MAP_CHANNELS["depth"] * self.pixels if "depth" in self.outputs else 0
        if "rays" in self.outputs:
            numbers += (RAY_DIM + 1) * _RAYS_PER_PATCH * self.patches
        return numbers * FLOAT32
