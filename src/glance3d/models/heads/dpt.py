"""Dense prediction by DPT (Ranftl et al. 2021).

:class:`DPTLevels` and :func:`fuse_stages` are what all architectures share; :class:`DPTFeatures`
and :class:`DPTHead` are the heads of VGGT (section 3.3).
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from glance3d.models.config import DPTHeadConfig
from glance3d.models.tokens import AggregatedTokens
from glance3d.nn.chunks import cached_slices, chunk_views, recomputes, run_recomputed
from glance3d.nn.patch_embed import StemMaps
from glance3d.nn.precision import (
    Conv2d,
    ConvTranspose2d,
    LayerNorm,
    keeps_channels_last,
    only_predicts,
    product,
)
from glance3d.nn.uv_embedding import add_convolved_uv_code_, build_uv_code

STRIP_NUMBERS = 2**22  # float32 numbers of full-size maps between two steps

#: Four levels of projected patch tokens, finest first; then maps of a stem, if the head reads them.
Projected = list[Float[Tensor, "batch_views ..."]]


class ResidualUnit(nn.Module):
    """Two convolutions added to their input, or to its relu.

    The relu is what the published VGGT adds to, whose first one works in place.
    """

    def __init__(self, channels: int, adds_to_relu: bool = True) -> None:
        super().__init__()
        self.adds_to_relu = adds_to_relu
        self.conv1 = Conv2d(channels, channels, 3, padding=1)
        self.conv2 = Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Where relu(x) is added to, and not x, ``x`` itself is spent."""
        activated = x.relu_() if self.adds_to_relu else x.relu()
        made = self.conv2(self.conv1(activated).relu_())
        return made + (activated if self.adds_to_relu else x)


class FusionStage(nn.Module):
    """Add a finer map to the running one and enlarge. The coarsest stage has none to add."""

    def __init__(self, channels: int, has_lateral: bool, adds_to_relu: bool = True) -> None:
        super().__init__()
        self.lateral_unit = ResidualUnit(channels, adds_to_relu) if has_lateral else None
        self.unit = ResidualUnit(channels, adds_to_relu)
        self.out_conv = Conv2d(channels, channels, 1)

    def forward(
        self,
        x: Float[Tensor, "n c h w"],
        lateral: Float[Tensor, "n c h w"] | None,
        size: tuple[int, int],
    ) -> Float[Tensor, "n c h2 w2"]:
        """The running map at the next lateral's size.

        The 1x1 convolution runs before the resize, where there are fewer pixels: both are linear
        and the resize's weights sum to one, so the order does not matter.
        """
        if self.lateral_unit is not None:
            x = x + self.lateral_unit(lateral)
        return resize(self.out_conv(self.unit(x)), size)


class DPTLevels(nn.Module):
    """Four layers of patch tokens to maps of 4, 2, 1 and 1/2 times the patch grid's size.

    A layer is projected as soon as it is made (:meth:`project`), which is all that must be kept of
    it. Maps are channels-last, because tokens are, but on a processor whose convolutions are slower
    so (a trial decides).
    """

    def __init__(self, dim: int, config: DPTHeadConfig, uv: bool) -> None:
        super().__init__()
        self.layers = config.layers
        self.uv = uv
        c0, c1, c2, c3 = config.channels
        self.norm = LayerNorm(dim)
        self.projections = nn.ModuleList(Conv2d(dim, c, 1) for c in config.channels)
        self.resizes = nn.ModuleList(
            [
                ConvTranspose2d(c0, c0, 4, stride=4),
                ConvTranspose2d(c1, c1, 2, stride=2),
                nn.Identity(),
                Conv2d(c3, c3, 3, stride=2, padding=1),
            ]
        )
        self.laterals = nn.ModuleList(
            Conv2d(c, config.features, 3, padding=1, bias=False) for c in (c0, c1, c2, c3)
        )

    def with_stem(self, levels: Projected, stem_maps: StemMaps) -> Projected:
        """The levels and, finest first, the maps that are fused with the first of them: none."""
        return levels

    def project(
        self,
        level: int,
        tokens: Float[Tensor, "views patches dim"],
        grid: tuple[int, int],
        aspect: float,
    ) -> Float[Tensor, "views patches channels"]:
        """Patch tokens of layer ``self.layers[level]`` to this level's channels, with UV code."""
        projection = self.projections[level]
        assert isinstance(projection, Conv2d)
        weight = projection.weight.flatten(1)
        predicting = only_predicts(tokens)
        x = self.norm.rounded(tokens, weight.dtype) if predicting else self.norm(tokens)
        x = product(x, weight, projection.bias)
        if not self.uv:
            return x
        code = build_uv_code(grid, x.shape[-1], aspect, x.device)
        return x + 0.1 * code if torch.is_grad_enabled() else x.add_(code, alpha=0.1)

    def lateral_maps(
        self, levels: Projected, grid: tuple[int, int]
    ) -> list[Float[Tensor, "views features _rows _columns"]]:
        """What the stages add, finest first."""
        laterals = []
        dtype = next(self.laterals.parameters()).dtype
        channels_last = keeps_channels_last(levels[0], dtype)
        # [views, patches, channels] to maps of 4, 2, 1 and 1/2 times the patch grid's size.
        for tokens, enlarge, lateral in zip(levels, self.resizes, self.laterals, strict=True):
            x = tokens.unflatten(1, grid).permute(0, 3, 1, 2)
            laterals.append(lateral(enlarge(x if channels_last else x.contiguous())))
        return laterals


def fuse_stages(
    stages: nn.ModuleList, maps: Sequence[Float[Tensor, "views features _rows _columns"]]
) -> Float[Tensor, "views features height8 width8"]:
    """From the coarsest map to the finest, each stage enlarges to the size of the next."""
    fine_size = (maps[0].shape[-2] * 2, maps[0].shape[-1] * 2)
    sizes = [fine_size, *((m.shape[-2], m.shape[-1]) for m in maps[:3])]
    x = stages[3](maps[3], None, sizes[3])
    for level in (2, 1, 0):
        x = stages[level](x, maps[level], sizes[level])
    return x


class DPTFeatures(DPTLevels):
    """Four layers of patch tokens to one feature map at 8 times the patch grid.

    With ``config.reads_stem``, the two finest levels read a stem's maps of their size as well,
    which have ``map_channels``, the coarsest first.
    """

    def __init__(
        self,
        dim: int,
        config: DPTHeadConfig,
        out_channels: int,
        uv: bool,
        map_channels: tuple[int, ...] = (),
    ) -> None:
        super().__init__(dim, config, uv)
        features = config.features
        self.stages = nn.ModuleList(FusionStage(features, has_lateral=i < 3) for i in range(4))
        self.out_conv = Conv2d(features, out_channels, 3, padding=1)
        finest_first = map_channels[::-1] if config.reads_stem else ()
        self.stem_laterals = nn.ModuleList(Conv2d(c, features, 3, padding=1) for c in finest_first)
        for parameter in self.stem_laterals.parameters():
            nn.init.zeros_(parameter)  # they begin by changing nothing of what tokens say

    def with_stem(self, levels: Projected, stem_maps: StemMaps) -> Projected:
        """The levels and, finest first, the maps that are fused with the first of them."""
        return levels + list(stem_maps[::-1]) if len(self.stem_laterals) else levels

    def fuse(
        self, projected: Projected, grid: tuple[int, int]
    ) -> Float[Tensor, "views channels height8 width8"]:
        """The fused map of all four levels, and of what :meth:`with_stem` adds to them."""
        levels, stem_maps = projected[: len(self.laterals)], projected[len(self.laterals) :]
        maps = self.lateral_maps(levels, grid)
        for level, (x, lateral) in enumerate(zip(stem_maps, self.stem_laterals, strict=True)):
            maps[level] = maps[level] + lateral(x)
        return self.out_conv(fuse_stages(self.stages, maps))

    def project_tokens(
        self, tokens: AggregatedTokens, grid: tuple[int, int], aspect: float
    ) -> Projected:
        """All levels of tokens that were kept whole."""
        patches = [tokens.layers[i][:, :, tokens.patch_start_idx :] for i in self.layers]
        levels = [
            self.project(level, layer.flatten(0, 1), grid, aspect)
            for level, layer in enumerate(patches)
        ]
        return self.with_stem(levels, tokens.stem_maps)


class DPTHead(nn.Module):
    """A map of some channels and its confidence, at every pixel."""

    def __init__(
        self,
        dim: int,
        config: DPTHeadConfig,
        num_channels: int,
        activate: Callable[[Tensor], Tensor],
        map_channels: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.activate = activate
        half = config.features // 2
        self.features = DPTFeatures(dim, config, half, uv=True, map_channels=map_channels)
        self.to_output = nn.Sequential(
            Conv2d(half, config.output_channels, 3, padding=1),
            nn.ReLU(),
            Conv2d(config.output_channels, num_channels + 1, 1),
        )

    def forward(
        self, projected: Projected, image_size: tuple[int, int], grid: tuple[int, int]
    ) -> tuple[
        Float[Tensor, "batch_views height width *channels"],
        Float[Tensor, "batch_views height width"],
    ]:
        """Activated values and confidence (1 + exp) of every view, a few views at a time."""
        aspect = image_size[1] / image_size[0]

        def predict(levels: list[Tensor]) -> tuple[Tensor, Tensor]:
            maps = resize(self.features.fuse(levels, grid), image_size)
            out = convolve_with_uv_code(self.to_output, maps, aspect).float().movedim(1, -1)
            return self.activate(out[..., :-1]), 1 + out[..., -1].exp()

        step = chunk_views(image_size, projected[0].device)
        values, confidence = map_views(predict, projected, step)
        return values, confidence


def convolve_with_uv_code(
    layers: nn.Sequential, maps: Float[Tensor, "n c_in height width"], aspect: float
) -> Float[Tensor, "n c_out height width"]:
    """A 3x3 convolution of the maps plus their UV code; then its relu, and a last convolution."""
    first, _, last = layers
    assert isinstance(first, Conv2d)
    made = convolve_in_strips(first, maps) if only_predicts(maps) else first(maps)
    x = add_convolved_uv_code_(made, first.weight, aspect, scale=0.1)
    return last(x.relu_())


def convolve_in_strips(
    layer: Conv2d, maps: Float[Tensor, "n c_in h w"]
) -> Float[Tensor, "n c_out h w"]:
    """A 3x3 convolution that keeps the size, some rows at a time; for prediction only.

    Full-size maps are never held whole at the layer's precision, when it is not theirs.
    """
    n, channels, height, width = maps.shape
    strips = cached_slices(height, n * channels * width, maps.device, STRIP_NUMBERS)
    if maps.dtype == layer.weight.dtype or len(strips) == 1:
        return layer(maps)
    parts = []
    for rows in strips:
        # One row more on either side, where there is one, and the result without them.
        first, last = max(0, rows.start - 1), min(height, rows.stop + 1)  # what the kernel sees
        inner = slice(rows.start - first, min(rows.stop, height) - first)
        parts.append(layer(maps[:, :, first:last])[:, :, inner])
    return torch.cat(parts, dim=2)


def map_views(
    predict: Callable[[list[Tensor]], tuple[Tensor, ...]], inputs: Sequence[Tensor], step: int
) -> tuple[Tensor, ...]:
    """``predict`` on ``step`` views at a time of tensors that all begin with a dimension of views.

    The results are written into preallocated tensors. While gradients flow nothing is saved by
    chunks, since every activation is kept anyway, but where it is made again for them.
    """
    num_views = len(inputs[0])
    if recomputes():
        chunks = [[x[start : start + step] for x in inputs] for start in range(0, num_views, step)]
        made = [run_recomputed(lambda *views: predict(list(views)), *chunk) for chunk in chunks]
        return tuple(torch.cat(parts) for parts in zip(*made, strict=True))
    if torch.is_grad_enabled() or num_views <= step:
        return predict(list(inputs))
    wholes: tuple[Tensor, ...] = ()
    for start in range(0, num_views, step):
        chunk = predict([x[start : start + step] for x in inputs])
        if not wholes:
            wholes = tuple(part.new_empty((num_views, *part.shape[1:])) for part in chunk)
        for whole, part in zip(wholes, chunk, strict=True):
            whole[start : start + step] = part
    return wholes


def resize(x: Float[Tensor, "n c h w"], size: tuple[int, int]) -> Float[Tensor, "n c h2 w2"]:
    """Bilinear, corner pixels to corner pixels."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


def depth_from_raw(raw: Float[Tensor, "*pixels 1"]) -> Float[Tensor, "*pixels"]:
    """Positive z-depth: exp."""
    return raw[..., 0].exp()


def points_from_raw(raw: Float[Tensor, "*pixels 3"]) -> Float[Tensor, "*pixels 3"]:
    """World points: sign(x) (exp|x| - 1), linear near zero and exponential far away."""
    return raw.sign() * raw.abs().expm1()
