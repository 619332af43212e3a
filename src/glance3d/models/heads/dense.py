"""Dense prediction by DPT (Ranftl et al. 2021), as VGGT uses it (section 3.3)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from glance3d.models.aggregator import AggregatedTokens
from glance3d.models.config import DenseHeadConfig
from glance3d.nn.precision import LayerNorm
from glance3d.nn.uv_embedding import add_uv_embedding

VIEWS_PER_CHUNK = 4  # bounds the memory of full-size maps; the numbers do not depend on it


class ResidualUnit(nn.Module):
    """Two convolutions added to relu(input): the published network's first relu works in place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """What is added back is relu(x), not x."""
        x = F.relu(x)
        return x + self.conv2(F.relu(self.conv1(x)))


class FusionStage(nn.Module):
    """Add a finer map to the running one and enlarge. The coarsest stage has none to add."""

    def __init__(self, channels: int, has_lateral: bool) -> None:
        super().__init__()
        self.lateral_unit = ResidualUnit(channels) if has_lateral else None
        self.unit = ResidualUnit(channels)
        self.out_conv = nn.Conv2d(channels, channels, 1)

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
        return _resize(self.out_conv(self.unit(x)), size)


class DenseFeatures(nn.Module):
    """Four layers of patch tokens to one feature map at 8 times the patch grid."""

    def __init__(self, dim: int, config: DenseHeadConfig, out_channels: int, uv: bool) -> None:
        super().__init__()
        self.layers = config.layers
        self.uv = uv
        c0, c1, c2, c3 = config.channels
        self.norm = LayerNorm(dim)
        self.projections = nn.ModuleList(nn.Conv2d(dim, c, 1) for c in config.channels)
        self.resizes = nn.ModuleList(
            [
                nn.ConvTranspose2d(c0, c0, 4, stride=4),
                nn.ConvTranspose2d(c1, c1, 2, stride=2),
                nn.Identity(),
                nn.Conv2d(c3, c3, 3, stride=2, padding=1),
            ]
        )
        features = config.features
        self.laterals = nn.ModuleList(
            nn.Conv2d(c, features, 3, padding=1, bias=False) for c in (c0, c1, c2, c3)
        )
        self.stages = nn.ModuleList(FusionStage(features, has_lateral=i < 3) for i in range(4))
        self.out_conv = nn.Conv2d(features, out_channels, 3, padding=1)

    def forward(
        self,
        layers: list[Float[Tensor, "views patches dim"]],
        grid: tuple[int, int],
        aspect: float,
    ) -> Float[Tensor, "views channels height8 width8"]:
        """The fused map; ``layers`` are the patch tokens of ``self.layers``, fine to coarse."""
        maps = []
        parts = zip(layers, self.projections, self.resizes, self.laterals, strict=True)
        for tokens, project, resize, lateral in parts:
            x = self.norm(tokens).transpose(1, 2).unflatten(2, grid)
            x = project(x)
            if self.uv:
                x = add_uv_embedding(x, aspect)
            maps.append(lateral(resize(x)))
        fine_size = (maps[0].shape[-2] * 2, maps[0].shape[-1] * 2)
        sizes = [fine_size, *((m.shape[-2], m.shape[-1]) for m in maps[:3])]
        x = self.stages[3](maps[3], None, sizes[3])
        for level in (2, 1, 0):
            x = self.stages[level](x, maps[level], sizes[level])
        return self.out_conv(x)


class DenseHead(nn.Module):
    """A map of some channels and its confidence, at every pixel."""

    def __init__(self, dim: int, config: DenseHeadConfig, num_channels: int) -> None:
        super().__init__()
        half = config.features // 2
        self.features = DenseFeatures(dim, config, half, uv=True)
        self.to_output = nn.Sequential(
            nn.Conv2d(half, config.output_channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(config.output_channels, num_channels + 1, 1),
        )

    def forward(
        self, tokens: AggregatedTokens, image_size: tuple[int, int], grid: tuple[int, int]
    ) -> tuple[
        Float[Tensor, "batch views height width channels"],
        Float[Tensor, "batch views height width"],
    ]:
        """Raw values and confidence (1 + exp) of every view, a few views at a time."""
        height, width = image_size
        aspect = width / height

        def predict(layers: list[Tensor]) -> Tensor:
            x = _resize(self.features(layers, grid, aspect), image_size)
            return self.to_output(add_uv_embedding(x, aspect)).permute(0, 2, 3, 1)

        out = map_views(predict, tokens, self.features.layers).float()
        return out[..., :-1], 1 + out[..., -1].exp()


def map_views(predict, tokens: AggregatedTokens, layers: tuple[int, ...]) -> Tensor:
    """Apply ``predict`` to the patch tokens of ``layers``, a chunk of views at a time.

    ``predict`` takes a list of ``[views, patches, dim]`` and returns ``[views, ...]``; the result
    is ``[batch, views, ...]``, written into one preallocated tensor. While gradients flow nothing
    is saved by chunks, since every activation is kept anyway.
    """
    batch_views = tokens.layers[layers[0]].shape[:2]
    patches = [tokens.layers[i][:, :, tokens.patch_start_idx :].flatten(0, 1) for i in layers]
    if torch.is_grad_enabled() and patches[0].requires_grad:
        return predict(patches).unflatten(0, batch_views)
    out = None
    num_views = len(patches[0])
    for start in range(0, num_views, VIEWS_PER_CHUNK):
        chunk = predict([layer[start : start + VIEWS_PER_CHUNK] for layer in patches])
        if out is None:
            out = chunk.new_empty((num_views, *chunk.shape[1:]))
        out[start : start + len(chunk)] = chunk
    assert out is not None
    return out.unflatten(0, batch_views)


def _resize(x: Float[Tensor, "n c h w"], size: tuple[int, int]) -> Float[Tensor, "n c h2 w2"]:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


def depth_from_raw(raw: Float[Tensor, "*pixels 1"]) -> Float[Tensor, "*pixels"]:
    """Positive z-depth: exp."""
    return raw[..., 0].exp()


def points_from_raw(raw: Float[Tensor, "*pixels 3"]) -> Float[Tensor, "*pixels 3"]:
    """World points: sign(x) (exp|x| - 1), linear near zero and exponential far away."""
    return raw.sign() * raw.abs().expm1()
