"""A plain twin of VGGT as it was published, to compare with: the same numbers, not optimised.

Written from the paper and our own specification of the architecture. It does everything that costs
the published design time and memory: every concatenated layer is kept, both dense
heads always run, in float32 and channels first; the position embedding is resampled and the UV
code made again at every call, in float64; the rotary table is gathered token by token at every
attention and asks for the largest position; layer scale, residual and norm are passes of their own.

Its parameters have Glance3D's names, so ``twin.load_state_dict(model.state_dict())`` fills it.
Only what ``vggt-1b`` has is here: a vision transformer as patch embedding, no tracks.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glance3d.models.config import DPTHeadConfig, VGGTConfig, VitEmbedConfig

VIEWS_PER_CHUNK = 8


class Attention(nn.Module):
    """Self-attention, with optional norms of queries and keys and rotary positions."""

    def __init__(self, dim: int, num_heads: int, qk_norm: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.q_norm = nn.LayerNorm(dim // num_heads) if qk_norm else nn.Identity()
        self.k_norm = nn.LayerNorm(dim // num_heads) if qk_norm else nn.Identity()
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, positions: Tensor | None, base: float) -> Tensor:
        batch, tokens, dim = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        q, k = self.q_norm(q), self.k_norm(k)
        if positions is not None:
            q, k = rotate(q, positions, base), rotate(k, positions, base)
        out = F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v)
        return self.proj(out.transpose(1, 2).reshape(batch, tokens, dim))


def rotate(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """Rotary positions: tables over all positions up to the largest, gathered for each token."""
    half = x.shape[-1] // 2
    largest = int(positions.max()) + 1
    exponents = torch.arange(0, half, 2, device=x.device).float() / half
    angles = torch.arange(largest, device=x.device).float()[:, None] * base**-exponents
    angles = torch.cat([angles, angles], dim=-1)
    cos, sin = angles.cos(), angles.sin()
    parts = []
    for axis, part in enumerate(x.chunk(2, dim=-1)):
        token_cos = F.embedding(positions[..., axis], cos)[:, None]
        token_sin = F.embedding(positions[..., axis], sin)[:, None]
        first, second = part.chunk(2, dim=-1)
        parts.append(part * token_cos + torch.cat([-second, first], dim=-1) * token_sin)
    return torch.cat(parts, dim=-1)


class Scale(nn.Module):
    """Layer scale as a pass of its own."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class Perceptron(nn.Module):
    """Two layers and the exact GELU."""

    def __init__(self, dim: int, hidden: int, out: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, out)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """The pre-norm transformer block."""

    def __init__(self, dim: int, num_heads: int, qk_norm: bool, eps: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=eps), nn.LayerNorm(dim, eps=eps)
        self.attn = Attention(dim, num_heads, qk_norm)
        self.mlp = Perceptron(dim, 4 * dim, dim)
        self.ls1, self.ls2 = Scale(dim), Scale(dim)

    def forward(self, x: Tensor, positions: Tensor | None = None, base: float = 100.0) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x), positions, base))
        return x + self.ls2(self.mlp(self.norm2(x)))


class PatchProjection(nn.Module):
    """The patch convolution."""

    def __init__(self, patch: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch, stride=patch)


class PatchEmbed(nn.Module):
    """DINOv2; its position embedding is resampled at every call."""

    def __init__(self, config: VGGTConfig, embed: VitEmbedConfig) -> None:
        super().__init__()
        dim, side = config.embed_dim, embed.image_size // config.patch_size
        self.patch_embed = PatchProjection(config.patch_size, dim)
        self.cls_token = nn.Parameter(torch.empty(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + side**2, dim))
        self.register_tokens = nn.Parameter(torch.empty(1, embed.num_register_tokens, dim))
        self.mask_token = nn.Parameter(torch.empty(1, dim))
        self.blocks = nn.ModuleList(
            Block(dim, embed.num_heads, False, 1e-6) for _ in range(embed.depth)
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.patch_embed.proj(images)
        side = math.isqrt(self.pos_embed.shape[1] - 1)
        table = self.pos_embed[:, 1:].float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
        if maps.shape[-2:] != (side, side):
            table = F.interpolate(table, size=maps.shape[-2:], mode="bicubic", antialias=True)
        table = torch.cat([self.pos_embed[:, :1], table.flatten(2).transpose(1, 2)], dim=1)
        tokens = maps.flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1) + table
        registers = self.register_tokens.expand(len(tokens), -1, -1)
        tokens = torch.cat([tokens[:, :1], registers, tokens[:, 1:]], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)[:, 1 + registers.shape[1] :]


class Aggregator(nn.Module):
    """Alternating attention; every layer is concatenated and kept."""

    def __init__(self, config: VGGTConfig) -> None:
        super().__init__()
        self.patch, self.base = config.patch_size, config.aggregator.rope_base
        dim, depth, heads = (
            config.embed_dim,
            config.aggregator.depth,
            config.aggregator.num_heads,
        )
        if not isinstance(config.patch_embed, VitEmbedConfig):
            raise TypeError("the twin has a vision transformer as patch embedding, and no other")
        self.patch_embed = PatchEmbed(config, config.patch_embed)
        self.camera_token = nn.Parameter(torch.empty(1, 2, 1, dim))
        registers = config.aggregator.num_register_tokens
        self.register_token = nn.Parameter(torch.empty(1, 2, registers, dim))
        qk_norm = config.aggregator.qk_norm
        self.frame_blocks = nn.ModuleList(Block(dim, heads, qk_norm, 1e-5) for _ in range(depth))
        self.global_blocks = nn.ModuleList(Block(dim, heads, qk_norm, 1e-5) for _ in range(depth))

    def forward(self, images: Tensor) -> list[Tensor]:
        views = len(images)
        mean, std = images.new_tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[
            ..., None, None
        ]
        patches = self.patch_embed((images - mean) / std)
        special = torch.cat([self.camera_token, self.register_token], dim=2)[0]
        special = torch.cat([special[:1], special[1:].expand(views - 1, -1, -1)])
        tokens = torch.cat([special, patches], dim=1)
        rows, columns = images.shape[-2] // self.patch, images.shape[-1] // self.patch
        grid = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).to(images.device) + 1
        positions = torch.cat([grid.new_zeros(special.shape[1], 2), grid]).expand(views, -1, -1)
        layers = []
        for frame, everywhere in zip(self.frame_blocks, self.global_blocks, strict=True):
            tokens = frame(tokens, positions, self.base)
            in_frame = tokens
            scene = everywhere(tokens.flatten(0, 1)[None], positions.flatten(0, 1)[None], self.base)
            tokens = scene[0].reshape(in_frame.shape)
            layers.append(torch.cat([in_frame, tokens], dim=-1))
        return layers


class CameraHead(nn.Module):
    """Four iterations of a small transformer over the camera tokens."""

    def __init__(self, dim: int, config: VGGTConfig) -> None:
        super().__init__()
        assert config.camera is not None
        self.num_iterations = config.camera.num_iterations
        heads, depth = config.camera.num_heads, config.camera.trunk_depth
        self.token_norm, self.trunk_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.empty_pose = nn.Parameter(torch.empty(1, 1, 9))
        self.embed_pose, self.modulation = nn.Linear(9, dim), nn.Linear(dim, 3 * dim)
        self.adaptive_norm = nn.LayerNorm(dim, eps=1e-6, elementwise_affine=False)
        self.trunk = nn.ModuleList(Block(dim, heads, False, 1e-5) for _ in range(depth))
        self.pose_mlp = Perceptron(dim, dim // 2, 9)

    def forward(self, camera_tokens: Tensor) -> Tensor:
        tokens, raw = self.token_norm(camera_tokens), None
        for _ in range(self.num_iterations):
            current = self.empty_pose.expand(*tokens.shape[:2], -1) if raw is None else raw
            shift, scale, gate = self.modulation(F.silu(self.embed_pose(current))).chunk(3, dim=-1)
            x = gate * (self.adaptive_norm(tokens) * (1 + scale) + shift) + tokens
            for block in self.trunk:
                x = block(x)
            delta = self.pose_mlp(self.trunk_norm(x))
            raw = delta if raw is None else raw + delta
        assert raw is not None
        return torch.cat([raw[..., :7], F.relu(raw[..., 7:])], dim=-1)


class ResidualUnit(nn.Module):
    """Two convolutions, added to relu(input)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        return self.conv2(F.relu(self.conv1(x))) + x


class Stage(nn.Module):
    """Fusion of two maps: enlarge, then the 1x1 convolution."""

    def __init__(self, channels: int, has_lateral: bool) -> None:
        super().__init__()
        self.lateral_unit = ResidualUnit(channels) if has_lateral else None
        self.unit = ResidualUnit(channels)
        self.out_conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, lateral: Tensor | None, size) -> Tensor:
        if self.lateral_unit is not None and lateral is not None:
            x = x + self.lateral_unit(lateral)
        x = F.interpolate(self.unit(x), size=size, mode="bilinear", align_corners=True)
        return self.out_conv(x)


class DPTFeatures(nn.Module):
    """DPT up to its fused map."""

    def __init__(self, dim: int, config: DPTHeadConfig) -> None:
        super().__init__()
        c, width = config.channels, config.features
        self.norm = nn.LayerNorm(dim)
        self.projections = nn.ModuleList(nn.Conv2d(dim, channels, 1) for channels in c)
        self.resizes = nn.ModuleList(
            [
                nn.ConvTranspose2d(c[0], c[0], 4, stride=4),
                nn.ConvTranspose2d(c[1], c[1], 2, stride=2),
                nn.Identity(),
                nn.Conv2d(c[3], c[3], 3, stride=2, padding=1),
            ]
        )
        self.laterals = nn.ModuleList(nn.Conv2d(n, width, 3, padding=1, bias=False) for n in c)
        self.stages = nn.ModuleList(Stage(width, has_lateral=level < 3) for level in range(4))
        self.out_conv = nn.Conv2d(width, width // 2, 3, padding=1)

    def forward(self, layers: list[Tensor], grid: tuple[int, int], aspect: float) -> Tensor:
        maps = []
        for tokens, project, resize, lateral in zip(
            layers, self.projections, self.resizes, self.laterals, strict=True
        ):
            x = self.norm(tokens).transpose(1, 2).unflatten(2, grid)
            maps.append(lateral(resize(add_uv(project(x), aspect))))
        x = self.stages[3](maps[3], None, maps[2].shape[-2:])
        x = self.stages[2](x, maps[2], maps[1].shape[-2:])
        x = self.stages[1](x, maps[1], maps[0].shape[-2:])
        x = self.stages[0](x, maps[0], [2 * side for side in maps[0].shape[-2:]])
        return self.out_conv(x)


def add_uv(maps: Tensor, aspect: float) -> Tensor:
    """A tenth of the UV code of every pixel: made here and now, for the whole map, in float64."""
    height, width = maps.shape[-2:]
    channels, diagonal = maps.shape[1], math.sqrt(aspect**2 + 1)
    ends = (aspect / diagonal * (width - 1) / width, 1 / diagonal * (height - 1) / height)
    u = torch.linspace(-ends[0], ends[0], width, dtype=torch.float64, device=maps.device)
    v = torch.linspace(-ends[1], ends[1], height, dtype=torch.float64, device=maps.device)
    quarter = channels // 4
    omega = 100.0 ** -(torch.arange(quarter, dtype=torch.float64, device=maps.device) / quarter)
    codes = []
    for plane in torch.meshgrid(u, v, indexing="xy"):
        angles = plane.reshape(-1, 1) * omega
        codes.append(torch.cat([angles.sin(), angles.cos()], dim=1))
    code = torch.cat(codes, dim=1).float().reshape(height, width, channels)
    return maps + 0.1 * code.permute(2, 0, 1)[None].expand(len(maps), -1, -1, -1)


class DPTHead(nn.Module):
    """DPT to values and a confidence."""

    def __init__(self, dim: int, config: DPTHeadConfig, channels: int) -> None:
        super().__init__()
        half, hidden = config.features // 2, config.output_channels
        self.layers = config.layers
        self.features = DPTFeatures(dim, config)
        self.to_output = nn.Sequential(
            nn.Conv2d(half, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, channels + 1, 1)
        )

    def forward(self, layers: list[Tensor], images: Tensor, patch: int) -> tuple[Tensor, Tensor]:
        height, width = images.shape[-2:]
        grid, aspect = (height // patch, width // patch), width / height
        values, confidences = [], []
        for start in range(0, len(images), VIEWS_PER_CHUNK):
            chosen = slice(start, start + VIEWS_PER_CHUNK)
            patches = [layers[i][chosen, -grid[0] * grid[1] :] for i in self.layers]
            x = self.features(patches, grid, aspect)
            x = F.interpolate(x, size=(height, width), mode="bilinear", align_corners=True)
            out = self.to_output(add_uv(x, aspect)).permute(0, 2, 3, 1)
            values.append(out[..., :-1])
            confidences.append(1 + out[..., -1].exp())
        return torch.cat(values), torch.cat(confidences)


class Twin(nn.Module):
    """The whole network for one scene: cameras, depth and points, all of them always."""

    def __init__(self, config: VGGTConfig) -> None:
        super().__init__()
        assert config.depth is not None
        assert config.points is not None
        self.patch = config.patch_size
        dim = 2 * config.embed_dim
        self.aggregator = Aggregator(config)
        self.camera_head = CameraHead(dim, config)
        self.depth_head = DPTHead(dim, config.depth, 1)
        self.point_head = DPTHead(dim, config.points, 3)

    def forward(self, images: Tensor, bfloat16: bool = False) -> dict[str, Tensor]:
        """Published outputs of ``[S,3,H,W]``; ``bfloat16``: the aggregator under autocast."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=bfloat16):
            layers = self.aggregator(images)
        layers = [layer.float() for layer in layers]
        depth, depth_conf = self.depth_head(layers, images, self.patch)
        points, points_conf = self.point_head(layers, images, self.patch)
        return {
            "pose_enc": self.camera_head(layers[-1][None, :, 0]),
            "depth": depth.exp()[None],
            "depth_conf": depth_conf[None],
            "world_points": (points.sign() * points.abs().expm1())[None],
            "world_points_conf": points_conf[None],
        }
