"""Photos to tokens by alternating attention (VGGT, section 3.2)."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from glance3d.models.config import ModelConfig, StemEmbedConfig, VitEmbedConfig
from glance3d.models.correspondence import CorrespondenceLayer
from glance3d.nn.block import Block
from glance3d.nn.patch_embed import ConvStem, PatchConv
from glance3d.nn.rope import build_rope_table
from glance3d.nn.tables import cached_table
from glance3d.nn.vit import VisionTransformer

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)


class AggregatedTokens(NamedTuple):
    """The kept layers, by index from 0, each ``[batch, views, special + patches, 2 C]``.

    A layer is the frame block's output and the global block's output side by side. Token 0 of a
    view is its camera token; patch tokens start at ``patch_start_idx``, row by row.
    """

    layers: dict[int, Float[Tensor, "batch views tokens channels"]]
    patch_start_idx: int


class Aggregator(nn.Module):
    """Patch embedding, special tokens, and pairs of frame-wise and global attention."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config.aggregator
        self.patch_size = config.patch_size
        dim = config.embed_dim
        self.patch_embed = _build_patch_embed(config)
        self.camera_token = nn.Parameter(torch.randn(1, 2, 1, dim) * 1e-2)
        num_registers = self.config.num_register_tokens
        self.register_token = nn.Parameter(torch.randn(1, 2, num_registers, dim) * 1e-2)
        self.frame_blocks = self._build_blocks(dim)
        self.global_blocks = self._build_blocks(dim)
        self.patch_start_idx = 1 + num_registers
        self.correspondence: CorrespondenceLayer | None = None
        if config.correspondence is not None and isinstance(self.patch_embed, ConvStem):
            self.correspondence = CorrespondenceLayer(
                config.correspondence, dim, self.patch_embed.fine_channels
            )
            self._tell_matches_after = config.correspondence.after_layer

    def _build_blocks(self, dim: int) -> nn.ModuleList:
        config = self.config
        return nn.ModuleList(
            Block(
                dim,
                config.num_heads,
                mlp_ratio=config.mlp_ratio,
                qkv_bias=config.qkv_bias,
                qk_norm=config.qk_norm,
                init_values=config.init_values,
            )
            for _ in range(config.depth)
        )

    def forward(
        self,
        images: Float[Tensor, "batch views 3 height width"],
        layers: tuple[int, ...] | None = None,
    ) -> AggregatedTokens:
        """Tokens of the asked-for layers (all of them by default); no other layer is kept."""
        num_scenes, num_views = images.shape[:2]
        wanted = range(self.config.depth) if layers is None else layers
        grid = (images.shape[-2] // self.patch_size, images.shape[-1] // self.patch_size)
        tokens, fine_maps = self._embed(images)
        head_dim = tokens.shape[-1] // self.config.num_heads
        rope = build_rope_table(
            grid, self.patch_start_idx, head_dim, self.config.rope_base, tokens.device
        )
        kept = {}
        for index in range(max(wanted) + 1):
            halves = {}
            for kind in self.config.order:
                if kind == "frame":
                    tokens = self.frame_blocks[index](tokens, rope)
                else:
                    scene = tokens.unflatten(0, (num_scenes, num_views)).flatten(1, 2)
                    scene = self.global_blocks[index](scene, rope)
                    tokens = scene.unflatten(1, (num_views, -1)).flatten(0, 1)
                halves[kind] = tokens
            if index in wanted:
                layer = torch.cat([halves["frame"], halves["global"]], dim=-1)
                kept[index] = layer.unflatten(0, (num_scenes, num_views))
            if fine_maps is not None and index == self._tell_matches_after:
                tokens = self._tell_matches(tokens, fine_maps, num_views)
        return AggregatedTokens(kept, self.patch_start_idx)

    def _tell_matches(
        self,
        tokens: Float[Tensor, "batch_views tokens dim"],
        fine_maps: Float[Tensor, "batch_views channels fine_rows fine_columns"],
        num_views: int,
    ) -> Float[Tensor, "batch_views tokens dim"]:
        assert self.correspondence is not None
        scenes = (-1, num_views)
        told, _ = self.correspondence(
            tokens.unflatten(0, scenes), fine_maps.unflatten(0, scenes), self.patch_start_idx
        )
        return told.flatten(0, 1)

    def _embed(
        self, images: Float[Tensor, "batch views 3 height width"]
    ) -> tuple[
        Float[Tensor, "batch_views tokens dim"],
        Float[Tensor, "batch_views channels fine_rows fine_columns"] | None,
    ]:
        """Special and patch tokens of every view; the first view has its own special ones.

        Beside them, a stem's fine maps for a network that matches them.
        """
        num_scenes, num_views = images.shape[:2]
        mean, std = _image_statistics(images.device)
        pixels = (images.flatten(0, 1) - mean) / std
        fine_maps = None
        if self.correspondence is not None and isinstance(self.patch_embed, ConvStem):
            patches, fine_maps = self.patch_embed.with_fine_maps(pixels)
        else:
            patches = self.patch_embed(pixels)
        special = torch.cat([self.camera_token, self.register_token], dim=2)
        others = special[:, 1:].expand(num_scenes, num_views - 1, -1, -1)
        first = special[:, :1].expand(num_scenes, 1, -1, -1)
        special = torch.cat([first, others], 1).flatten(0, 1)
        return torch.cat([special, patches], dim=1), fine_maps


@cached_table
def _image_statistics(device: torch.device) -> tuple[Tensor, Tensor]:
    mean, std = torch.tensor([IMAGE_MEAN, IMAGE_STD], device=device)[..., None, None]
    return mean, std


def _build_patch_embed(config: ModelConfig) -> nn.Module:
    embed = config.patch_embed
    if isinstance(embed, VitEmbedConfig):
        return VisionTransformer(
            patch_size=config.patch_size,
            embed_dim=config.embed_dim,
            depth=embed.depth,
            num_heads=embed.num_heads,
            num_register_tokens=embed.num_register_tokens,
            position_grid=embed.image_size // config.patch_size,
            mlp_ratio=embed.mlp_ratio,
            init_values=embed.init_values,
        )
    if isinstance(embed, StemEmbedConfig):
        return ConvStem(config.patch_size, config.embed_dim, embed.base_channels)
    return PatchConv(config.patch_size, config.embed_dim)
