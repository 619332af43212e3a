"""DINOv2's vision transformer with registers (Oquab et al. 2023; Darcet et al. 2024)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from glance3d.nn.block import Block
from glance3d.nn.inference import run_block_
from glance3d.nn.initial_values import normal_parameter
from glance3d.nn.patch_embed import PatchConv
from glance3d.nn.precision import LayerNorm

#: A stored square of positions resampled to (rows, columns).
Resample = Callable[
    [Float[Tensor, "1 dim side side"], tuple[int, int]], Float[Tensor, "1 dim rows columns"]
]


def resample_antialiased(
    square: Float[Tensor, "1 dim side side"], grid: tuple[int, int]
) -> Float[Tensor, "1 dim rows columns"]:
    """As DINOv2 with registers resamples its positions."""
    return F.interpolate(square, size=grid, mode="bicubic", antialias=True, align_corners=False)


class PositionTable:
    """A learned position embedding at any patch grid, kept until the weights change.

    Stored are the class token's position, which belongs to no place, and those of a square of
    ``side`` x ``side`` patches. They are added as they are, or resampled.
    """

    def __init__(self, side: int, resample: Resample) -> None:
        self._side, self._resample = side, resample
        self._cached: tuple[tuple, Tensor] | None = None

    def __call__(
        self, embedding: Float[Tensor, "1 stored dim"], grid: tuple[int, int]
    ) -> Float[Tensor, "1 tokens dim"]:
        """The class token's position, then those of the grid's patches, row by row."""
        if torch.is_grad_enabled() and embedding.requires_grad:
            return self._resampled(embedding, grid)
        # Tensors made in inference mode have no version counter.
        version = 0 if embedding.is_inference() else embedding._version
        key = (grid, embedding.data_ptr(), embedding.device, version)
        if self._cached is None or self._cached[0] != key:
            self._cached = (key, self._resampled(embedding, grid))
        return self._cached[1]

    def _resampled(
        self, embedding: Float[Tensor, "1 stored dim"], grid: tuple[int, int]
    ) -> Float[Tensor, "1 tokens dim"]:
        if grid == (self._side, self._side):
            return embedding
        square = embedding[:, 1:].float().unflatten(1, (self._side, -1)).permute(0, 3, 1, 2)
        patches = self._resample(square, grid).flatten(2).transpose(1, 2)
        return torch.cat([embedding[:, :1].float(), patches], dim=1)


class VisionTransformer(nn.Module):
    """Images to patch tokens.

    Tokens are [class, registers, patches]; registers carry no position. Only the patch tokens
    leave the network. ``mask_token`` belongs to DINOv2's own training: it is part of the file
    format and takes no part here.
    """

    def __init__(
        self,
        *,
        patch_size: int,
        embed_dim: int,
        depth: int,
        num_heads: int,
        num_register_tokens: int,
        position_grid: int,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        init_values: float = 1.0,
        norm_eps: float = 1e-6,
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.patch_embed = PatchConv(patch_size, embed_dim)
        self.cls_token = normal_parameter(1, 1, embed_dim, std=1e-6)
        self.pos_embed = normal_parameter(1, 1 + position_grid**2, embed_dim, std=0.02)
        self.register_tokens = normal_parameter(1, num_register_tokens, embed_dim, std=1e-6)
        self.mask_token = nn.Parameter(torch.zeros(1, embed_dim), requires_grad=False)
        self.blocks = nn.ModuleList(
            Block(
                embed_dim,
                num_heads,
                mlp_ratio=mlp_ratio,
                qkv_bias=qkv_bias,
                init_values=init_values,
                norm_eps=norm_eps,
            )
            for _ in range(depth)
        )
        self.norm = LayerNorm(embed_dim, eps=norm_eps)
        self._positions = PositionTable(position_grid, resample_antialiased)

    def forward(
        self, images: Float[Tensor, "views 3 height width"]
    ) -> Float[Tensor, "views patches dim"]:
        """Normalised patch tokens, row by row."""
        num_views = len(images)
        grid = (images.shape[-2] // self.patch_size, images.shape[-1] // self.patch_size)
        tokens = torch.cat([self.cls_token.expand(num_views, -1, -1), self.patch_embed(images)], 1)
        tokens = tokens + self._positions(self.pos_embed, grid)
        registers = self.register_tokens.expand(num_views, -1, -1)
        tokens = torch.cat([tokens[:, :1], registers, tokens[:, 1:]], dim=1)
        for block in self.blocks:
            tokens = run_block_(block, tokens)
        num_special = 1 + self.register_tokens.shape[1]
        return self.norm(tokens[:, num_special:])
