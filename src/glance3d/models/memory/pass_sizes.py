"""Bytes of a forward pass, counted from the network's own shapes."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from glance3d.models.config import CorrespondenceConfig, DPTHeadConfig, ModelConfig, Output
from glance3d.models.heads.correspondence import (
    CELLS_PER_PATCH_SIDE,
    MATCHES_OF_A_PAIR,
    PAIRS_AT_A_TIME,
)
from glance3d.models.vggt import VGGT
from glance3d.multiview.matches import SCORES_AT_A_TIME
from glance3d.nn.chunks import CPU_PIXELS, CPU_TOKENS, GPU_PIXELS, GPU_TOKENS
from glance3d.nn.fast.cpu import SCORE_BYTES

FLOAT32 = 4
IMAGE_CHANNELS = 3
# Of a network that matches views: numbers that are kept of a cell and another view, and tensors of
# scores, of patches and of what is known of matches that are in flight together.
MATCH_NUMBERS, SCORE_COPIES, PATCH_COPIES, ESTIMATE_COPIES = 10, 3, 8, 5
MAP_CHANNELS = {"depth": 2, "points": 4}  # numbers a pixel, the confidence among them


@dataclass(frozen=True)
class PassSizes:
    """What one pass holds, by part; ``image_size`` is (height, width).

    The network may be on the meta device. Large products are at its weights' precision.
    """

    network: VGGT
    num_views: int
    image_size: tuple[int, int]
    outputs: tuple[Output, ...]
    device: torch.device

    @property
    def config(self) -> ModelConfig:
        """The network's."""
        return self.network.config

    @cached_property
    def product(self) -> int:
        """Bytes of one number of the large products."""
        weight = self.network.aggregator.get_parameter("frame_blocks.0.mlp.fc1.weight")
        return weight.element_size()

    @property
    def is_cpu(self) -> bool:
        """Whether the device is the processor."""
        return self.device.type == "cpu"

    @property
    def pixels(self) -> int:
        """Of one view."""
        return self.image_size[0] * self.image_size[1]

    @property
    def patches(self) -> int:
        """Of one view."""
        return self.pixels // self.config.patch_size**2

    @property
    def tokens(self) -> int:
        """Of one view: patches, the camera token and registers."""
        return self.patches + 1 + self.config.aggregator.num_register_tokens

    @property
    def dense_heads(self) -> dict[str, DPTHeadConfig]:
        """Of the outputs that have one."""
        config = self.config
        heads = {
            "depth": config.depth,
            "points": config.points,
            "tracks": config.tracks.features if config.tracks else None,
        }
        return {
            name: head for name, head in heads.items() if name in self.outputs and head is not None
        }

    def weights(self) -> int:
        """Of the parts that run; the rest stays on the disk of a processor that maps the file."""
        network = self.network
        heads: dict[str, nn.Module | None] = {
            "camera": network.camera_head,
            "matches": network.correspondence_head,
            "depth": network.depth_head,
            "points": network.point_head,
            "tracks": network.track_head,
        }
        needed = (*self.outputs, "matches") if "camera" in self.outputs else self.outputs
        used = [head for name, head in heads.items() if name in needed or not self.is_cpu]
        return sum(
            parameter.numel() * parameter.element_size()
            for part in (network.aggregator, *used)
            if part is not None
            for parameter in part.parameters()
        )

    def of_view(self, keeps_layers: bool = False) -> int:
        """What is kept of a view: the larger of the last global layer's and the heads' demands.

        With ``keeps_layers``, its layers that heads read as well, whole.
        """
        stream = self.tokens * self.config.embed_dim
        heads = self.dense_heads
        # a head for tracks is float32
        projected = [
            [self.patches * c * (FLOAT32 if name == "tracks" else self.product) for c in h.channels]
            for name, h in heads.items()
        ]
        tracks = self.config.tracks
        channels = {**MAP_CHANNELS, "tracks": tracks.latent_dim / 4 if tracks else 0}
        results = sum(int(channels[name] * self.pixels * FLOAT32) for name in heads)
        kept = sum(sum(levels) for levels in projected)
        # While the last global layer attends, its level is not projected yet: residual stream,
        # its norm, queries, keys, values and what they attend to.
        attending = stream * (2 * FLOAT32 + 4 * self.product)
        attending += sum(sum(levels[:3]) for levels in projected)
        reading = stream * 2 * FLOAT32 + kept
        images = IMAGE_CHANNELS * self.pixels * FLOAT32
        layers = self._layers() if keeps_layers else 0
        return images + max(attending, reading, kept + results) + self._stem_maps() + layers

    def _layers(self) -> int:
        """The frame and the global block's outputs of every layer that heads read."""
        num_layers = len(self.config.layers_needed(self.outputs))
        return num_layers * 2 * self.tokens * self.config.embed_dim * FLOAT32

    def _stem_maps(self) -> int:
        """The maps of a stem that are read beside the tokens: 2 x 2 pixels a patch, then 4 x 4."""
        channels = enumerate(self.network.aggregator.map_channels)
        return sum(4 ** (1 + finer) * self.patches * c * FLOAT32 for finer, c in channels)

    def of_waiting_view(self) -> int:
        """What is kept of a view before and after its window's pass: its pixels and the results."""
        channels = sum(MAP_CHANNELS.get(name, 0) for name in self.dense_heads)
        return (IMAGE_CHANNELS + channels) * self.pixels * FLOAT32

    def workspace(self, scale: float) -> int:
        """What is in flight for one chunk: of tokens in a block, or of views in a dense head."""
        chunk = int(scale * (CPU_PIXELS if self.is_cpu else GPU_PIXELS))
        views = min(max(1, chunk // self.pixels), self.num_views)
        return max(self._block(scale), views * self._widest_head(), self._matching_workspace())

    def _block(self, scale: float) -> int:
        chunk = int(scale * (CPU_TOKENS if self.is_cpu else GPU_TOKENS))
        tokens = min(max(1, chunk // self.tokens), self.num_views) * self.tokens  # whole views
        hidden = self.config.aggregator.mlp_ratio * self.product
        if self.is_cpu:
            in_flight = 4 * FLOAT32 + 6 * self.product + hidden
        else:  # queries and keys are normed and rotated, or the perceptron's GELU is at work
            in_flight = max(3 * FLOAT32 + 4 * self.product, FLOAT32 + self.product + 2 * hidden)
        # of attention in blocks, whether it runs or not: PyTorch's own keeps fewer
        scores = SCORE_BYTES + SCORE_BYTES * self.product // FLOAT32 if self.is_cpu else 0
        return int(tokens * self.config.embed_dim * in_flight) + scores

    def _widest_head(self) -> int:
        """Maps of one view in the dense head that needs most."""
        widest = 0
        for head in self.dense_heads.values():
            half = head.features // 2
            eighth = 64 * self.patches  # pixels of the fused map, eight a patch's side
            wider = FLOAT32 if self.product != FLOAT32 else 0
            enlarged = self.pixels * half * (self.product + wider)
            last = self.pixels * (head.output_channels + 8) * FLOAT32
            widest = max(widest, eighth * half * self.product + enlarged + last)
        return widest

    @property
    def _matching(self) -> CorrespondenceConfig | None:
        """What is matched; one view has no other to match."""
        return self.config.matching(self.outputs) if self.num_views > 1 else None

    @property
    def _cells(self) -> int:
        return self.patches * CELLS_PER_PATCH_SIDE**2

    def matches(self) -> int:
        """Matches of all pairs of views, where the network matches any."""
        if self._matching is None:
            return 0
        return self.num_views**2 * self._cells * MATCH_NUMBERS * FLOAT32

    def _matching_workspace(self) -> int:
        """One view's cells against all views', then patches around them, then some pairs' poses."""
        config = self._matching
        if config is None:
            return 0
        views = min(self.num_views, max(1, SCORES_AT_A_TIME // self._cells**2))
        scores = views * self._cells**2 * SCORE_COPIES
        kept = min(self._cells, MATCHES_OF_A_PAIR)
        patch = (2 * config.sharpen_radius + 1) ** 2
        patches = self.num_views * kept * patch * PATCH_COPIES
        pairs = min(max(PAIRS_AT_A_TIME, self.num_views), self.num_views**2)
        estimates = pairs * kept * config.hidden_dim * ESTIMATE_COPIES
        return max(scores, patches, estimates) * FLOAT32
