"""Photos to tokens: one vision transformer, whose later blocks attend within views and globally.

Source: Depth Anything 3 (Lin et al. 2025), section 3.2.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from glance3d.distributed.views import ViewShare
from glance3d.models.config.da3 import DA3Config
from glance3d.models.da3.reference import FEWEST_VIEWS, choose_view, view_orders
from glance3d.models.normalisation import normalised_pixels
from glance3d.models.sparse_keys import check_attention, kept_keys, keys_of_share, near_keys
from glance3d.models.tokens import Layer
from glance3d.nn.block import Block
from glance3d.nn.inference import run_block_
from glance3d.nn.initial_values import normal_parameter
from glance3d.nn.patch_embed import PatchConv
from glance3d.nn.precision import LayerNorm, only_predicts
from glance3d.nn.progress import layer_done
from glance3d.nn.rope import build_rope_table
from glance3d.nn.vit import PositionTable

_BLOCK_EPS = 1e-6
_OFFSET = 0.1  # patches that a grid is taken to be longer by when positions are resampled
NUM_SPECIAL = 1


class Backbone(nn.Module):
    """DINOv2 without registers. The class token becomes a camera token where alternation begins."""

    def __init__(self, config: DA3Config) -> None:
        super().__init__()
        self.config = config.backbone
        self.patch_size = config.patch_size
        self.reference = config.reference
        dim, side = config.embed_dim, self.config.image_size // config.patch_size
        self.patch_embed = PatchConv(config.patch_size, dim)
        self.cls_token = normal_parameter(1, 1, dim, std=1e-6)
        self.camera_token = normal_parameter(1, 2, dim, std=1e-2)
        self.pos_embed = normal_parameter(1, 1 + side**2, dim, std=0.02)
        self._positions = PositionTable(side, _resample_with_offset)
        self.blocks = nn.ModuleList(
            Block(
                dim,
                self.config.num_heads,
                mlp_ratio=self.config.hidden_dim / dim,
                qk_norm=index >= self.config.first_alternating,
                init_values=self.config.init_values,
                norm_eps=_BLOCK_EPS,
                gated=self.config.gated,
            )
            for index in range(self.config.depth)
        )
        self.norm = LayerNorm(dim)

    def grid(self, images: Float[Tensor, "batch views 3 height width"]) -> tuple[int, int]:
        """Rows and columns of patches."""
        return (images.shape[-2] // self.patch_size, images.shape[-1] // self.patch_size)

    def embed(self, images: Float[Tensor, "batch views 3 height width"]) -> Layer:
        """Class and patch tokens of every view, with positions; images are RGB in [0, 1]."""
        patches = self.patch_embed(normalised_pixels(images.flatten(0, 1)))
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], 1)
        tokens = tokens + self._positions(self.pos_embed, self.grid(images))
        return tokens.unflatten(0, images.shape[:2])

    def stream(
        self,
        tokens: Layer,
        grid: tuple[int, int],
        layers: tuple[int, ...],
        attention: str = "full",
        camera_tokens: Float[Tensor, "batch all_views dim"] | None = None,
        share: ViewShare | None = None,
    ) -> Iterator[tuple[int, Layer, Layer]]:
        """The asked-for layers as they are made: index, last local block's output, own output.

        From what :meth:`embed` made of images of ``grid`` patches. ``camera_tokens`` are those of
        given cameras: without them a view of three or more is chosen to be the reference. Layers
        have the views in the order of ``tokens``. While only predicting, tokens are updated in
        place: use a layer before asking for the next. With a ``share``, tokens are those of its own
        views, which see those of all ranks.
        """
        num_scenes, num_views = tokens.shape[:2]
        share = share or ViewShare.whole(num_views)
        device, first = tokens.device, self.config.first_alternating
        predicting = only_predicts(tokens)
        check_attention(attention, predicting, share)
        near: Int[Tensor, "views kept"] | None = None
        # Where each view is: in the stream of a process that has all, or would be in it.
        places: Int[Tensor, "batch views"] | None = None
        would_be: Int[Tensor, "batch all_views"] | None = None
        head_dim = tokens.shape[-1] // self.config.num_heads
        within, across = (
            build_rope_table(
                grid, NUM_SPECIAL, head_dim, self.config.rope_base, device, one_place=one_place
            )
            for one_place in (False, True)
        )
        local = tokens
        for index in range(max(layers) + 1):
            if index == first - 1 and camera_tokens is None and share.num_views >= FEWEST_VIEWS:
                class_tokens = share.gathered(tokens[:, :, 0])
                order = view_orders(choose_view(class_tokens, self.reference), share.num_views)
                order = share.from_first(order)
                if share.is_whole:
                    tokens, places = _reordered(tokens, order), order.argsort(-1)
                else:
                    would_be = order.argsort(-1)
            if index == first:
                tokens = self._with_cameras(tokens, camera_tokens, share, would_be)
                if attention == "near":  # no view has seen another yet
                    near = near_keys(tokens, NUM_SPECIAL)
            if index >= first and index % 2:
                keys = kept_keys(
                    attention, index, self.config.depth, share.num_views, grid, NUM_SPECIAL, device
                )
                place = None if would_be is None else would_be[0]
                keys, counts = keys_of_share(keys, share, tokens.shape[2], place)
                if predicting and index in layers:
                    local = tokens.clone()  # the global block works in place
                elif not predicting:
                    local = tokens
                scene = run_block_(
                    self.blocks[index],
                    tokens.flatten(1, 2),
                    across,
                    keys if near is None else near,
                    share.across(counts),
                )
                tokens = scene.unflatten(1, (num_views, -1))
            else:
                rope = within if index >= first else None
                views = run_block_(self.blocks[index], tokens.flatten(0, 1), rope)
                tokens = local = views.unflatten(0, (num_scenes, num_views))
            layer_done()
            if index in layers:
                yield index, _reordered(local, places), _reordered(tokens, places)

    def _with_cameras(
        self,
        tokens: Layer,
        camera_tokens: Float[Tensor, "batch all_views dim"] | None,
        share: ViewShare,
        would_be: Int[Tensor, "batch all_views"] | None,
    ) -> Layer:
        """Camera tokens in the place of class tokens: of given cameras, or of what a view is.

        ``would_be`` is where each view would be if the reference came first.
        """
        if camera_tokens is None:
            reference, other = self.camera_token[:, :1], self.camera_token[:, 1:]
            camera_tokens = torch.cat([reference, other.expand(-1, share.num_views - 1, -1)], 1)
            camera_tokens = camera_tokens.expand(len(tokens), -1, -1)
            camera_tokens = _reordered(camera_tokens, would_be)
        own = camera_tokens[:, share.own, None].to(tokens.dtype)
        return torch.cat([own, tokens[:, :, 1:]], 2)


def _reordered(
    tokens: Float[Tensor, "batch views ..."], order: Int[Tensor, "batch views"] | None
) -> Float[Tensor, "batch views ..."]:
    """The views of each scene in this order; as they are where there is none."""
    if order is None:
        return tokens
    scenes = torch.arange(len(tokens), device=tokens.device)[:, None]
    return tokens[scenes, order]


def _resample_with_offset(
    square: Float[Tensor, "1 dim side side"], grid: tuple[int, int]
) -> Float[Tensor, "1 dim rows columns"]:
    """As the published network: row r reads ``(r + 1/2) side / (rows + 0.1) - 1/2``."""
    side = square.shape[-1]
    factors = [(count + _OFFSET) / side for count in grid]
    return F.interpolate(square, scale_factor=factors, mode="bicubic", antialias=False)
