"""Photos to tokens by alternating attention (VGGT, section 3.2)."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from glance3d.distributed.views import ViewShare
from glance3d.models.config import StemEmbedConfig, VGGTConfig, VitEmbedConfig
from glance3d.models.normalisation import normalised_pixels
from glance3d.models.sparse_keys import check_attention, kept_keys, keys_of_share, near_keys
from glance3d.models.tokens import AggregatedTokens, Layer
from glance3d.nn.block import Block
from glance3d.nn.inference import run_block_
from glance3d.nn.initial_values import normal_parameter
from glance3d.nn.patch_embed import ConvStem, PatchConv, StemMaps
from glance3d.nn.precision import only_predicts
from glance3d.nn.progress import layer_done
from glance3d.nn.rope import build_rope_table
from glance3d.nn.vit import VisionTransformer


class Aggregator(nn.Module):
    """Patch embedding, special tokens, and pairs of frame-wise and global attention."""

    def __init__(self, config: VGGTConfig) -> None:
        super().__init__()
        self.config = config.aggregator
        self.patch_size = config.patch_size
        dim = config.embed_dim
        self.patch_embed = _build_patch_embed(config)
        self.camera_token = normal_parameter(1, 2, 1, dim, std=1e-2)
        num_registers = self.config.num_register_tokens
        self.register_token = normal_parameter(1, 2, num_registers, dim, std=1e-2)
        self.frame_blocks = self._build_blocks(dim)
        self.global_blocks = self._build_blocks(dim)
        self.patch_start_idx = 1 + num_registers

    @property
    def map_channels(self) -> tuple[int, ...]:
        """Of the stem's maps that are read beside the tokens, the coarsest first."""
        return self.patch_embed.map_channels if isinstance(self.patch_embed, ConvStem) else ()

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
        attention: str = "full",
    ) -> AggregatedTokens:
        """Tokens of the asked-for layers (all of them by default); no other layer is kept."""
        wanted = tuple(range(self.config.depth)) if layers is None else layers
        tokens, stem_maps = self.embed(images)
        stream = self.stream(tokens, self.grid(images), wanted, attention)
        kept = {
            index: torch.cat([frame, everywhere], dim=-1) for index, frame, everywhere in stream
        }
        return AggregatedTokens(kept, self.patch_start_idx, stem_maps)

    def grid(self, images: Float[Tensor, "batch views 3 height width"]) -> tuple[int, int]:
        """Rows and columns of patches."""
        return (images.shape[-2] // self.patch_size, images.shape[-1] // self.patch_size)

    def embed(
        self,
        images: Float[Tensor, "batch views 3 height width"],
        share: ViewShare | None = None,
    ) -> tuple[Layer, StemMaps]:
        """Special and patch tokens of every view; the first view has its own special ones.

        Beside them, a stem's maps of all views of all scenes, the coarsest first. With a ``share``,
        of its own views.
        """
        num_views, own = images.shape[1], slice(None) if share is None else share.own
        images = images[:, own]
        scenes = images.shape[:2]
        pixels = normalised_pixels(images.flatten(0, 1))
        stem_maps: StemMaps = ()
        if isinstance(self.patch_embed, ConvStem):
            patches, stem_maps = self.patch_embed.with_maps(pixels)
        else:
            patches = self.patch_embed(pixels)
        special = torch.cat([self.camera_token, self.register_token], dim=2)
        others = special[:, 1:].expand(scenes[0], num_views - 1, -1, -1)
        first = special[:, :1].expand(scenes[0], 1, -1, -1)
        special = torch.cat([first, others], 1)[:, own]
        return torch.cat([special, patches.unflatten(0, scenes)], dim=2), stem_maps

    def stream(
        self,
        tokens: Layer,
        grid: tuple[int, int],
        layers: tuple[int, ...],
        attention: str = "full",
        share: ViewShare | None = None,
    ) -> Iterator[tuple[int, Layer, Layer]]:
        """The asked-for layers as they are made: index, frame block's output, global block's.

        From what :meth:`embed` made of images of ``grid`` patches. While only predicting, tokens
        are updated in place: use a layer before asking for the next. With a ``share``, tokens are
        those of its own views, which see those of all ranks.
        """
        num_scenes, num_views = tokens.shape[:2]
        share = share or ViewShare.whole(num_views)
        tokens = tokens.flatten(0, 1)
        num_special, dim = self.patch_start_idx, tokens.shape[-1]
        rope = build_rope_table(
            grid, num_special, dim // self.config.num_heads, self.config.rope_base, tokens.device
        )
        predicting = only_predicts(tokens)
        check_attention(attention, predicting, share)
        near: Int[Tensor, "views kept"] | None = None
        for index in range(max(layers) + 1):
            keys = kept_keys(
                attention,
                index,
                self.config.depth,
                share.num_views,
                grid,
                num_special,
                tokens.device,
            )
            keys, counts = keys_of_share(keys, share, tokens.shape[1])
            across = share.across(counts)
            halves = {}
            for position, kind in enumerate(self.config.order):
                # Frame: [batch * views, tokens, dim]; global: [batch, views * tokens, dim].
                if kind == "frame":
                    tokens = run_block_(self.frame_blocks[index], tokens, rope, None)
                else:
                    scene = tokens.unflatten(0, (num_scenes, num_views))
                    if attention == "near" and index == 0:  # no view has seen another yet
                        near = near_keys(scene, num_special)
                    scene = run_block_(
                        self.global_blocks[index],
                        scene.flatten(1, 2),
                        rope,
                        keys if near is None else near,
                        across,
                    )
                    tokens = scene.unflatten(1, (num_views, -1)).flatten(0, 1)
                if index in layers:
                    # The second block of the pair works in place on what the first one left.
                    overwritten = predicting and position == 0
                    halves[kind] = tokens.clone() if overwritten else tokens
            layer_done()
            if index in layers:
                frame, everywhere = (
                    halves.pop(kind).unflatten(0, (num_scenes, num_views))
                    for kind in ("frame", "global")
                )
                yield index, frame, everywhere
                del frame, everywhere


def _build_patch_embed(config: VGGTConfig) -> nn.Module:
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
