"""Photos to tokens by alternating attention (VGGT, section 3.2)."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from glance3d.models.config import ModelConfig, StemEmbedConfig, VitEmbedConfig
from glance3d.models.correspondence import Correspondence, CorrespondenceLayer, Descriptions
from glance3d.models.thin_attention import check_attention, kept_keys
from glance3d.nn.block import Block, run_block_
from glance3d.nn.patch_embed import ConvStem, PatchConv
from glance3d.nn.precision import only_predicts
from glance3d.nn.rope import RopeTable, build_rope_table
from glance3d.nn.tables import cached_table
from glance3d.nn.vit import VisionTransformer

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)

Layer = Float[Tensor, "batch views tokens dim"]


class AggregatedTokens(NamedTuple):
    """The kept layers, by index from 0, each ``[batch, views, special + patches, 2 C]``.

    A layer is the frame block's output and the global block's output side by side. Token 0 of a
    view is its camera token; patch tokens start at ``patch_start_idx``, row by row.
    ``correspondence`` is what a correspondence layer found, None without one.
    """

    layers: dict[int, Float[Tensor, "batch views tokens channels"]]
    patch_start_idx: int
    correspondence: Correspondence | None = None


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
        wanted = tuple(range(self.config.depth)) if layers is None else layers
        found: list[Correspondence] = []
        kept = {
            index: torch.cat([frame, everywhere], dim=-1)
            for index, frame, everywhere in self.stream(images, wanted, found=found)
        }
        return AggregatedTokens(kept, self.patch_start_idx, found[-1] if found else None)

    def stream(
        self,
        images: Float[Tensor, "batch views 3 height width"],
        layers: tuple[int, ...],
        attention: str = "full",
        found: list[Correspondence] | None = None,
    ) -> Iterator[tuple[int, Layer, Layer]]:
        """The asked-for layers as they are made: index, frame block's output, global block's.

        What a correspondence layer finds on the way is put into ``found``.
        While only predicting, tokens are updated in place: use a layer before asking for the next.
        """
        num_scenes, num_views = images.shape[:2]
        grid = (images.shape[-2] // self.patch_size, images.shape[-1] // self.patch_size)
        tokens, fine_maps = self._embed(images)
        num_special = self.patch_start_idx
        rope = self._rope(grid, tokens)
        predicting = only_predicts(tokens)
        check_attention(attention, predicting)
        for index in range(max(layers) + 1):
            keys = kept_keys(
                attention, index, self.config.depth, num_views, grid, num_special, tokens.device
            )
            halves = {}
            for position, kind in enumerate(self.config.order):
                tokens = self._attend(kind, index, tokens, num_scenes, rope, keys)
                if index in layers:
                    overwritten = predicting and position == 0
                    halves[kind] = tokens.clone() if overwritten else tokens
            if index in layers:
                frame, everywhere = (
                    halves.pop(kind).unflatten(0, (num_scenes, num_views))
                    for kind in ("frame", "global")
                )
                yield index, frame, everywhere
                del frame, everywhere
            if fine_maps is not None and index == self._tell_matches_after:
                tokens, matched = self._tell_matches(tokens, fine_maps, images)
                if found is not None and matched is not None:
                    found.append(matched)

    def describe(self, images: Float[Tensor, "batch views 3 height width"]) -> Descriptions:
        """What the correspondence layer tells cells apart by; nothing is matched yet.

        All that runs is what comes before the layer: enough to teach it which cells are the same.
        """
        scenes = images.shape[:2]
        tokens, fine_maps = self._embed(images)
        assert fine_maps is not None
        assert self.correspondence is not None
        grid = (images.shape[-2] // self.patch_size, images.shape[-1] // self.patch_size)
        rope = self._rope(grid, tokens)
        for index in range(self._tell_matches_after + 1):
            for kind in self.config.order:
                tokens = self._attend(kind, index, tokens, scenes[0], rope, None)
        return self.correspondence.describe(
            tokens.unflatten(0, scenes), fine_maps.unflatten(0, scenes), self.patch_start_idx
        )

    def _attend(
        self,
        kind: str,
        index: int,
        tokens: Float[Tensor, "batch_views tokens dim"],
        num_scenes: int,
        rope: RopeTable,
        keys: Tensor | None,
    ) -> Float[Tensor, "batch_views tokens dim"]:
        """One block: within each view, or among all tokens of a scene."""
        if kind == "frame":
            return run_block_(self.frame_blocks[index], tokens, rope, None)
        scene = tokens.unflatten(0, (num_scenes, -1)).flatten(1, 2)
        scene = run_block_(self.global_blocks[index], scene, rope, keys)
        return scene.unflatten(1, (-1, tokens.shape[1])).flatten(0, 1)

    def _rope(self, grid: tuple[int, int], tokens: Tensor) -> RopeTable:
        return build_rope_table(
            grid,
            self.patch_start_idx,
            tokens.shape[-1] // self.config.num_heads,
            self.config.rope_base,
            tokens.device,
        )

    def _tell_matches(
        self,
        tokens: Float[Tensor, "batch_views tokens dim"],
        fine_maps: Float[Tensor, "batch_views channels fine_rows fine_columns"],
        images: Float[Tensor, "batch views 3 height width"],
    ) -> tuple[Float[Tensor, "batch_views tokens dim"], Correspondence | None]:
        assert self.correspondence is not None
        scenes = images.shape[:2]
        told, found = self.correspondence(
            tokens.unflatten(0, scenes),
            fine_maps.unflatten(0, scenes),
            self.patch_start_idx,
            images,
        )
        return told.flatten(0, 1), found

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
        pixels = normalised_pixels(images.flatten(0, 1))
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


def normalised_pixels(
    images: Float[Tensor, "views 3 height width"],
) -> Float[Tensor, "views 3 height width"]:
    """RGB in [0, 1] as the patch embedding wants it: ImageNet's mean and deviation are 0 and 1."""
    mean, std = _image_statistics(images.device)
    return (images - mean) / std


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
