"""The dense head of the plain twin of Depth Anything 3 (``DualDPT``), as it was published.

Two chains of fusion on the same four maps, one for depth and one for rays, in float32 and channels
first, eight views at a time; the UV code is made again at every call.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

VIEWS_PER_CHUNK = 8


class ResidualUnit(nn.Module):
    """Two convolutions, added to the input itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(F.relu(self.conv1(F.relu(x)))) + x


class Fusion(nn.Module):
    """Fusion of two maps: enlarge, then the 1x1 convolution."""

    def __init__(self, channels: int, has_lateral: bool) -> None:
        super().__init__()
        if has_lateral:
            self.resConfUnit1 = ResidualUnit(channels)
        self.resConfUnit2 = ResidualUnit(channels)
        self.out_conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, lateral: Tensor | None, size: Sequence[int]) -> Tensor:
        if lateral is not None:
            x = x + self.resConfUnit1(lateral)
        return self.out_conv(enlarge(self.resConfUnit2(x), size))


def enlarge(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear, corner to corner."""
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=True)


class ChannelNorm(nn.LayerNorm):
    """A LayerNorm over the channels of maps: they are moved last, and back."""

    def forward(self, maps: Tensor) -> Tensor:
        return super().forward(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Scratch(nn.Module):
    """Everything of the head after the resizes: two chains, the second for rays."""

    def __init__(self, width: int, out_channels: Sequence[int]) -> None:
        super().__init__()
        half = width // 2
        for level, channels in enumerate(out_channels, start=1):
            conv = nn.Conv2d(channels, width, 3, padding=1, bias=False)
            self.add_module(f"layer{level}_rn", conv)
            self.add_module(f"refinenet{level}", Fusion(width, has_lateral=level < 4))
            self.add_module(f"refinenet{level}_aux", Fusion(width, has_lateral=level < 4))
        self.output_conv1 = nn.Conv2d(width, half, 3, padding=1)
        self.output_conv2 = nn.Sequential(
            nn.Conv2d(half, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 2, 1)
        )
        widths = (width, half, width, half, width, half)
        self.output_conv1_aux = nn.ModuleList(
            nn.Sequential(*(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths)))
            for _ in range(4)
        )
        norm = ChannelNorm(32)  # one for the four levels
        self.output_conv2_aux = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(half, 32, 3, padding=1),
                nn.Identity(),
                norm,
                nn.Identity(),
                nn.ReLU(),
                nn.Conv2d(32, 7, 1),
            )
            for _ in range(4)
        )

    def fuse(self, maps: list[Tensor], suffix: str) -> Tensor:
        """The chain of `suffix` from the coarsest of the four maps ``[V,F,h,w]`` to ``8h x 8w``."""
        chain = [self.get_submodule(f"refinenet{level}{suffix}") for level in (1, 2, 3, 4)]
        x = chain[3](maps[3], None, maps[2].shape[-2:])
        x = chain[2](x, maps[2], maps[1].shape[-2:])
        x = chain[1](x, maps[1], maps[0].shape[-2:])
        return chain[0](x, maps[0], [2 * side for side in maps[0].shape[-2:]])


class DualDPT(nn.Module):
    """Depth at the image's size and rays at ``8h x 8w``, from the patches of four layers."""

    def __init__(self, dim: int, features: int, out_channels: Sequence[int]) -> None:
        super().__init__()
        c = out_channels
        self.norm = nn.LayerNorm(dim)
        self.projects = nn.ModuleList(nn.Conv2d(dim, channels, 1) for channels in c)
        self.resize_layers = nn.ModuleList(
            [
                nn.ConvTranspose2d(c[0], c[0], 4, stride=4),
                nn.ConvTranspose2d(c[1], c[1], 2, stride=2),
                nn.Identity(),
                nn.Conv2d(c[3], c[3], 3, stride=2, padding=1),
            ]
        )
        self.scratch = Scratch(features, out_channels)

    def forward(
        self, layers: list[Tensor], height: int, width: int, patch: int
    ) -> dict[str, Tensor]:
        """Of ``[V,P,2C]``, a few views at a time."""
        chunks: dict[str, list[Tensor]] = {}
        for start in range(0, len(layers[0]), VIEWS_PER_CHUNK):
            chosen = [layer[start : start + VIEWS_PER_CHUNK] for layer in layers]
            for name, value in self.some_views(chosen, height, width, patch).items():
                chunks.setdefault(name, []).append(value)
        return {name: torch.cat(values) for name, values in chunks.items()}

    def some_views(
        self, layers: list[Tensor], height: int, width: int, patch: int
    ) -> dict[str, Tensor]:
        """One chunk."""
        grid, aspect, s = (height // patch, width // patch), width / height, self.scratch
        maps = []
        for level, tokens in enumerate(layers):
            x = self.norm(tokens).transpose(1, 2).unflatten(2, grid)
            x = self.resize_layers[level](add_uv(self.projects[level](x), aspect))
            maps.append(s.get_submodule(f"layer{level + 1}_rn")(x))
        depth = enlarge(s.output_conv1(s.fuse(maps, "")), (height, width))
        depth = s.output_conv2(add_uv(depth, aspect))
        ray = add_uv(s.output_conv1_aux[3](s.fuse(maps, "_aux")), aspect)
        ray = s.output_conv2_aux[3](ray).permute(0, 2, 3, 1)
        return {
            "depth": depth[:, 0].exp(),
            "depth_conf": 1 + depth[:, 1].exp(),
            "ray": ray[..., :6],
            "ray_conf": 1 + ray[..., 6].exp(),
        }


def add_uv(maps: Tensor, aspect: float) -> Tensor:
    """A tenth of the UV code of every pixel: made here and now, for the whole map, in float32."""
    height, width = maps.shape[-2:]
    channels, diagonal = maps.shape[1], math.sqrt(aspect**2 + 1)
    ends = (aspect / diagonal * (width - 1) / width, 1 / diagonal * (height - 1) / height)
    u = torch.linspace(-ends[0], ends[0], width, device=maps.device)
    v = torch.linspace(-ends[1], ends[1], height, device=maps.device)
    quarter = channels // 4
    omega = 100.0 ** -(torch.arange(quarter, device=maps.device).float() / quarter)
    codes = []
    for plane in torch.meshgrid(u, v, indexing="xy"):
        angles = plane.reshape(-1, 1) * omega
        codes.append(torch.cat([angles.sin(), angles.cos()], dim=1))
    code = torch.cat(codes, dim=1).to(maps.dtype).reshape(height, width, channels)
    return maps + 0.1 * code.permute(2, 0, 1)[None].expand(len(maps), -1, -1, -1)
