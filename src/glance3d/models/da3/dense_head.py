"""Depth and rays from the same levels, by two chains (Depth Anything 3, section 3.2)."""

import itertools
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from glance3d.models.config import DPTHeadConfig, Output
from glance3d.models.heads.dpt import (
    DPTLevels,
    FusionStage,
    Projected,
    convolve_with_uv_code,
    depth_from_raw,
    fuse_stages,
    map_views,
    resize,
)
from glance3d.nn.chunks import chunk_views
from glance3d.nn.precision import Conv2d, LayerNorm
from glance3d.nn.uv_embedding import add_uv_embedding

RAY_DIM = 6  # a direction and an origin
_NUM_LEVELS = 4


class RayNorm(LayerNorm):
    """Layer norm over the channels of maps."""

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Normalised in float32."""
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)


class RayOutput(nn.Module):
    """The last convolutions of the ray chain. The first five have nothing between them."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        half = features // 2
        widths = [features, half, features, half, features, half]
        self.convolutions = nn.ModuleList(
            Conv2d(channels, out, 3, padding=1) for channels, out in itertools.pairwise(widths)
        )
        self.hidden = Conv2d(half, hidden, 3, padding=1)
        self.last = Conv2d(hidden, RAY_DIM + 1, 1)


class DualDPT(nn.Module):
    """Depth with its confidence at every pixel, and rays with theirs at 8 times the patch grid.

    ``coarser_ray_outputs`` are those of the ray chain's coarser levels, which belong to the
    published network's own training: they are part of the file format and take no part here.
    """

    def __init__(self, dim: int, config: DPTHeadConfig) -> None:
        super().__init__()
        features, half, hidden = config.features, config.features // 2, config.output_channels
        self.levels = DPTLevels(dim, config, uv=True)
        self.depth_stages, self.ray_stages = (
            nn.ModuleList(FusionStage(features, i < 3, adds_to_relu=False) for i in range(4))
            for _ in range(2)
        )
        self.depth_conv = Conv2d(features, half, 3, padding=1)
        self.depth_output = nn.Sequential(
            Conv2d(half, hidden, 3, padding=1), nn.ReLU(), Conv2d(hidden, 2, 1)
        )
        self.ray_output = RayOutput(features, hidden)
        self.ray_norm = RayNorm(hidden)
        self.coarser_ray_outputs = nn.ModuleList(
            RayOutput(features, hidden) for _ in range(_NUM_LEVELS - 1)
        )

    def forward(
        self,
        projected: Projected,
        image_size: tuple[int, int],
        grid: tuple[int, int],
        outputs: Sequence[Output],
    ) -> dict[str, Float[Tensor, "batch_views ..."]]:
        """``depth``, ``depth_conf``, ``ray`` and ``ray_conf``, or those asked for, by views."""
        aspect = image_size[1] / image_size[0]
        wanted = [output for output in ("depth", "rays") if output in outputs]

        def predict(levels: list[Tensor]) -> tuple[Tensor, ...]:
            maps = self.levels.lateral_maps(levels, grid)
            parts: tuple[Tensor, ...] = ()
            if "depth" in wanted:
                parts += self._depth(maps, image_size, aspect)
            if "rays" in wanted:
                parts += self._rays(maps, aspect)
            return parts

        step = chunk_views(image_size, projected[0].device)
        names = {"depth": ("depth", "depth_conf"), "rays": ("ray", "ray_conf")}
        made = map_views(predict, projected, step)
        return dict(zip([n for output in wanted for n in names[output]], made, strict=True))

    def _depth(
        self, maps: list[Tensor], image_size: tuple[int, int], aspect: float
    ) -> tuple[Tensor, Tensor]:
        fused = self.depth_conv(fuse_stages(self.depth_stages, maps))
        out = convolve_with_uv_code(self.depth_output, resize(fused, image_size), aspect)
        out = out.float().movedim(1, -1)
        return depth_from_raw(out[..., :1]), 1 + out[..., 1].exp()

    def _rays(self, maps: list[Tensor], aspect: float) -> tuple[Tensor, Tensor]:
        x = fuse_stages(self.ray_stages, maps)
        for convolution in self.ray_output.convolutions:
            x = convolution(x)
        x = self.ray_output.hidden(add_uv_embedding(x, aspect))
        out = self.ray_output.last(self.ray_norm(x).relu_()).float().movedim(1, -1)
        return out[..., :RAY_DIM], 1 + out[..., RAY_DIM].exp()
