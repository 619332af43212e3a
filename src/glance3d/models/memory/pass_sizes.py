"""Bytes of a forward pass, counted from the network's own shapes: what all architectures share."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from glance3d.models.config import DPTHeadConfig, Output
from glance3d.models.network import Network
from glance3d.nn.chunks import CPU_PIXELS, CPU_TOKENS, GPU_PIXELS, GPU_TOKENS
from glance3d.nn.fast.cpu import SCORE_BYTES

FLOAT32 = 4
IMAGE_CHANNELS = POINT_CHANNELS = 3
MAP_CHANNELS = {"depth": 2, "points": 4}  # numbers a pixel, the confidence among them


@dataclass(frozen=True)
class PassSizes:
    """What one pass holds, by part; ``image_size`` is (height, width).

    The network may be on the meta device. Large products are at its weights' precision.
    """

    network: Network
    num_views: int
    image_size: tuple[int, int]
    outputs: tuple[Output, ...]
    device: torch.device

    @cached_property
    def product(self) -> int:
        """Bytes of one number of the large products."""
        return self.network.matmul_dtype.itemsize

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
        return self.pixels // self.network.config.patch_size**2

    @property
    def tokens(self) -> int:
        """Of one view: patches and special tokens."""
        return self.patches + self.num_special

    @property
    def num_special(self) -> int:
        """Special tokens of one view."""
        raise NotImplementedError

    @property
    def embed_dim(self) -> int:
        """The width of a token."""
        raise NotImplementedError

    @property
    def hidden_ratio(self) -> float:
        """Numbers of a block's hidden layer for each of a token's."""
        raise NotImplementedError

    @property
    def dense_heads(self) -> dict[str, DPTHeadConfig]:
        """Of the outputs that have one."""
        raise NotImplementedError

    @property
    def parts_that_run(self) -> list[nn.Module]:
        """Those of the network that these outputs need."""
        raise NotImplementedError

    def weights(self) -> int:
        """Of the parts that run; the rest stays on the disk of a processor that maps the file."""
        parts = self.parts_that_run if self.is_cpu else [self.network]
        return sum(p.numel() * p.element_size() for part in parts for p in part.parameters())

    def of_view(self, keeps_layers: bool = False) -> int:
        """What is kept of a view; with ``keeps_layers``, the layers that heads read, whole."""
        raise NotImplementedError

    def results(self) -> int:
        """Of a view."""
        raise NotImplementedError

    def of_shared_view(self, *, by_ring: bool) -> int:
        """What every rank of several keeps of each view, its own or another's.

        Its pixels and results, or, while a global layer attends, its keys and values: gathered, and
        put together once more where shares are uneven.
        """
        keys = 0 if by_ring else 4 * self.tokens * self.embed_dim * self.product
        return IMAGE_CHANNELS * self.pixels * FLOAT32 + max(keys, self.results())

    def of_passing_view(self) -> int:
        """What a ring keeps besides for each view of a rank: keys and values that come and go."""
        return 4 * self.tokens * self.embed_dim * self.product

    def of_waiting_view(self) -> int:
        """What is kept of a view while it waits for its window: its pixels, as bytes."""
        return IMAGE_CHANNELS * self.pixels

    def workspace(self, scale: float) -> int:
        """What is in flight for one chunk: of tokens in a block, or of views in a dense head."""
        chunk = int(scale * (CPU_PIXELS if self.is_cpu else GPU_PIXELS))
        views = min(max(1, chunk // self.pixels), self.num_views)
        return max(self._block(scale), views * self.widest_head())

    def matches(self) -> int:
        """Matches of all pairs of views, where the network matches any."""
        return 0

    def matching_to_learn(self, num_scenes: int) -> int:
        """What a step of training holds for matches of so many scenes at once."""
        return 0

    def _block(self, scale: float) -> int:
        chunk = int(scale * (CPU_TOKENS if self.is_cpu else GPU_TOKENS))
        tokens = min(max(1, chunk // self.tokens), self.num_views) * self.tokens  # whole views
        hidden = self.hidden_ratio * self.product
        if self.is_cpu:
            in_flight = 4 * FLOAT32 + 6 * self.product + hidden
        else:  # queries and keys are normed and rotated, or the perceptron's GELU is at work
            in_flight = max(3 * FLOAT32 + 4 * self.product, FLOAT32 + self.product + 2 * hidden)
        # of attention in blocks, whether it runs or not: PyTorch's own keeps fewer
        scores = SCORE_BYTES + SCORE_BYTES * self.product // FLOAT32 if self.is_cpu else 0
        return int(tokens * self.embed_dim * in_flight) + scores

    def widest_head(self) -> int:
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
