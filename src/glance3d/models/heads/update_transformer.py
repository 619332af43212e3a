"""The tracker's transformer: over time for every track, and across tracks through virtual ones.

Its blocks take the residual from the *normalised* input, unlike the rest of the network.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from glance3d.models.config import TrackHeadConfig
from glance3d.nn.attention import PackedAttention
from glance3d.nn.initial_values import normal_parameter
from glance3d.nn.mlp import Mlp
from glance3d.nn.precision import LayerNorm, Linear

MLP_RATIO = 4


class SelfBlock(nn.Module):
    """``x = norm(x); x += attention(x); x += mlp(norm(x))``."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim)
        self.attn = PackedAttention(dim, num_heads)
        self.norm2 = LayerNorm(dim)
        self.mlp = Mlp(dim, dim * MLP_RATIO)

    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        """One block of self-attention."""
        x = self.norm1(x)
        x = x + self.attn(x, x)
        return x + self.mlp(self.norm2(x))


class CrossBlock(nn.Module):
    """The same from ``x`` to a context, which has a norm of its own."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim)
        self.norm_context = LayerNorm(dim)
        self.cross_attn = PackedAttention(dim, num_heads)
        self.norm2 = LayerNorm(dim)
        self.mlp = Mlp(dim, dim * MLP_RATIO)

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], context: Float[Tensor, "batch keys dim"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """One block of attention from ``x`` to ``context``."""
        x = self.norm1(x)
        x = x + self.cross_attn(x, self.norm_context(context))
        return x + self.mlp(self.norm2(x))


class UpdateTransformer(nn.Module):
    """What each track knows in each view, to an update of its position and feature."""

    def __init__(self, in_dim: int, out_dim: int, config: TrackHeadConfig) -> None:
        super().__init__()
        dim, num_heads, depth = config.hidden_dim, config.num_heads, config.depth
        self.input_norm = LayerNorm(in_dim)
        self.input_layer = Linear(in_dim, dim)
        self.virtual_tracks = normal_parameter(1, config.num_virtual_tracks, 1, dim)
        self.time_blocks = nn.ModuleList(SelfBlock(dim, num_heads) for _ in range(depth))
        self.virtual_from_point = nn.ModuleList(CrossBlock(dim, num_heads) for _ in range(depth))
        self.virtual_blocks = nn.ModuleList(SelfBlock(dim, num_heads) for _ in range(depth))
        self.point_from_virtual = nn.ModuleList(CrossBlock(dim, num_heads) for _ in range(depth))
        self.output_norm = LayerNorm(dim)
        self.delta_head = Linear(dim, out_dim)

    def forward(
        self, inputs: Float[Tensor, "batch views queries in_dim"]
    ) -> Float[Tensor, "batch views queries out_dim"]:
        """Alternate attention over the views of a track and, in each view, across tracks."""
        num_scenes, num_views, num_queries = inputs.shape[:3]
        start = self.input_layer(self.input_norm(inputs)).transpose(1, 2)
        virtual = self.virtual_tracks.expand(num_scenes, -1, num_views, -1)
        tokens = torch.cat([start, virtual], dim=1)  # batch tracks views dim
        blocks = zip(
            self.time_blocks,
            self.virtual_from_point,
            self.virtual_blocks,
            self.point_from_virtual,
            strict=True,
        )
        # Over time a sequence is one track's views. In a view it is all tracks: virtual ones read
        # the points, then each other, and the points read them: linear in the number of points.
        for over_time, gather, mix, spread in blocks:
            tokens = over_time(tokens.flatten(0, 1)).unflatten(0, (num_scenes, -1))
            in_view = tokens.transpose(1, 2).flatten(0, 1)
            points, virtual = in_view[:, :num_queries], in_view[:, num_queries:]
            virtual = mix(gather(virtual, points))
            in_view = torch.cat([spread(points, virtual), virtual], dim=1)
            tokens = in_view.unflatten(0, (num_scenes, num_views)).transpose(1, 2)
        points = tokens[:, :num_queries] + start
        return self.delta_head(self.output_norm(points)).transpose(1, 2)
