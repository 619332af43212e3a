"""A plain twin of Depth Anything 3 as it was published: the same numbers, not optimised.

Written from the paper (Lin et al. 2025, arXiv 2511.10647) and our own specification of the
architecture. It does everything that costs the published design time and memory: cameras, depth
and rays are always computed; the position embedding is resampled at every call; the rotary table is
gathered token by token at every attention and asks for the largest position; layer scale, residual
and norm are passes of their own; and the dense head has its own costs (`da3_twin_head.py`).

Its parameters have the published names (without ``model.``), so that a published file fills it
strictly. It shares no code with Glance3D's network.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmarks.da3_twin_head import DualDPT
from benchmarks.da3_weights import METADATA
from benchmarks.twin import Block, PatchProjection, Perceptron
from glance3d.geometry.rotations import (
    positive_quat_xyzw_from_rotation,
    rotation_from_quat_xyzw,
)

PATCH, ROPE_BASE = 14, 100.0
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class TwinConfig:
    """The numbers in which the published sizes differ; from ``alt_start`` on blocks alternate."""

    width: int
    blocks: int
    heads: int
    alt_start: int
    out_layers: tuple[int, ...]
    features: int
    out_channels: tuple[int, ...]
    position_grid: int = 37
    camera_encoder_blocks: int = 4
    camera_encoder_heads: int = 16
    feed_forward: str = "gelu"

    @staticmethod
    def from_manifest(numbers: dict[str, Any]) -> "TwinConfig":
        """Of the golden manifest, where norms of q and k and rotary begin at ``alt_start`` too."""
        rest = dict(numbers)
        starts = {rest["alt_start"], rest.pop("qknorm_start"), rest.pop("rope_start")}
        if len(starts) != 1:
            raise ValueError(f"the twin alternates, norms and rotates from one block on: {starts}")
        lists = {name: tuple(rest.pop(name)) for name in ("out_layers", "out_channels")}
        return TwinConfig(**rest, **lists)


_TWELVE, _BIG_HEAD = (5, 7, 9, 11), (256, 512, 1024, 1024)
CONFIGS = {
    "da3-small": TwinConfig(384, 12, 6, 4, _TWELVE, 64, (48, 96, 192, 384)),
    "da3-base": TwinConfig(768, 12, 12, 4, _TWELVE, 128, (96, 192, 384, 768)),
    "da3-large": TwinConfig(1024, 24, 16, 8, (11, 15, 19, 23), 256, _BIG_HEAD),
    "da3-giant": TwinConfig(
        1536, 40, 24, 13, (19, 27, 33, 39), 256, _BIG_HEAD, feed_forward="swiglu"
    ),
}


class SwiGLU(nn.Module):
    """``silu(g) * v``, both from one product; the hidden width is that of DINOv2's giant."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = (int(4 * dim * 2 / 3) + 7) // 8 * 8
        self.w12, self.w3 = nn.Linear(dim, 2 * hidden), nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.w12(x).chunk(2, dim=-1)
        return self.w3(F.silu(gate) * value)


class Taken(NamedTuple):
    """What the backbone gives, in the caller's order of views."""

    features: list[Tensor]  # of each taken layer: patches [B,S,P,2C], the second half normalised
    camera_token: Tensor  # [B,S,2C] of the last taken layer
    class_tokens: Tensor | None  # [B,S,C] from which the reference was chosen
    reference_view: Tensor | None  # [B]


class Transformer(nn.Module):
    """DINOv2 whose later blocks look at one view and at all views in turn."""

    def __init__(self, config: TwinConfig) -> None:
        super().__init__()
        dim, side = config.width, config.position_grid
        self.config = config
        self.cls_token = nn.Parameter(torch.empty(1, 1, dim))
        self.camera_token = nn.Parameter(torch.empty(1, 2, dim))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + side**2, dim))
        self.patch_embed = PatchProjection(PATCH, dim)
        self.blocks = nn.ModuleList(
            Block(dim, config.heads, qk_norm=index >= config.alt_start, eps=1e-6)
            for index in range(config.blocks)
        )
        if config.feed_forward == "swiglu":
            for block in self.blocks:
                block.mlp = SwiGLU(dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, images: Tensor, condition: Tensor | None) -> Taken:
        """Of normalised ``[B,S,3,H,W]``; ``condition [B,S,C]`` is the camera encoder's."""
        batch, views = images.shape[:2]
        x = self.embed(images.flatten(0, 1)).unflatten(0, (batch, views))
        own, everywhere = positions(images.shape[-2] // PATCH, images.shape[-1] // PATCH, x)
        order = torch.arange(views, device=x.device).expand(batch, views)
        class_tokens = reference = None
        local, layers = x, []
        for index, block in enumerate(self.blocks):
            if index == self.config.alt_start - 1 and views >= 3 and condition is None:
                class_tokens = x[:, :, 0]
                reference = choose_reference(class_tokens)
                order = reference_first(reference, views)
                x = in_order(x, order)
            if index == self.config.alt_start:
                x = torch.cat([self.camera_tokens(batch, views, condition), x[:, :, 1:]], dim=2)
            if index < self.config.alt_start:
                x = local = block(x.flatten(0, 1)).unflatten(0, (batch, views))
            elif index % 2 == 0:
                x = block(x.flatten(0, 1), own.expand(batch * views, -1, -1), ROPE_BASE)
                x = local = x.unflatten(0, (batch, views))
            else:
                tokens = everywhere.repeat(views, 1).expand(batch, -1, -1)
                x = block(x.flatten(1, 2), tokens, ROPE_BASE).unflatten(1, (views, -1))
            if index in self.config.out_layers:
                layers.append(in_order(torch.cat([local, x], dim=-1), order.argsort(dim=1)))
        features = [self.normalise_second_half(layer[:, :, 1:]) for layer in layers]
        return Taken(features, layers[-1][:, :, 0], class_tokens, reference)

    def embed(self, images: Tensor) -> Tensor:
        """``[B*S,1+P,C]``: by scale factor with an offset of 0.1, not antialiased."""
        maps = self.patch_embed.proj(images)
        side = self.config.position_grid
        table = self.pos_embed
        if maps.shape[-2:] != (side, side):
            grid = table[:, 1:].float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
            scales = [(length + 0.1) / side for length in maps.shape[-2:]]
            grid = F.interpolate(grid, scale_factor=scales, mode="bicubic")
            table = torch.cat([table[:, :1], grid.flatten(2).transpose(1, 2).to(table)], dim=1)
        special = self.cls_token.expand(len(maps), -1, -1)
        return torch.cat([special, maps.flatten(2).transpose(1, 2)], dim=1) + table

    def camera_tokens(self, batch: int, views: int, condition: Tensor | None) -> Tensor:
        """``[B,S,1,C]``: they replace the class tokens."""
        if condition is None:
            first, others = self.camera_token[:, :1], self.camera_token[:, 1:]
            tokens = torch.cat([first, others.expand(-1, views - 1, -1)], dim=1)
            condition = tokens.expand(batch, -1, -1)
        return condition[:, :, None]

    def normalise_second_half(self, layer: Tensor) -> Tensor:
        """The first half, of the local block, stays raw."""
        raw, last = layer.chunk(2, dim=-1)
        return torch.cat([raw, self.norm(last)], dim=-1)


def positions(rows: int, columns: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """``[1+P,2]`` twice: within a view, and among all, where every patch has (1, 1)."""
    grid = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).to(like.device) + 1
    special = grid.new_zeros(1, 2)
    return torch.cat([special, grid]), torch.cat([special, torch.ones_like(grid)])


def choose_reference(class_tokens: Tensor) -> Tensor:
    """``[B]``: the view in the middle of three measures (``saddle_balanced``)."""
    length = class_tokens.norm(dim=-1)
    unit = class_tokens / length[..., None]
    likeness = ((unit @ unit.transpose(1, 2)).sum(dim=-1) - 1) / (unit.shape[1] - 1)
    score = torch.zeros_like(length)
    for measure in (likeness, length, unit.var(dim=-1)):
        least = measure.amin(dim=1, keepdim=True)
        most = measure.amax(dim=1, keepdim=True)
        score = score + ((measure - least) / (most - least + 1e-8) - 0.5).abs()
    return score.argmin(dim=1)


def reference_first(reference: Tensor, views: int) -> Tensor:
    """``[B,S]``: the reference view, then the others in their order."""
    rows = [
        [first, *(view for view in range(views) if view != first)] for first in reference.tolist()
    ]
    return torch.tensor(rows, device=reference.device)


def in_order(x: Tensor, order: Tensor) -> Tensor:
    """Views of ``[B,S,...]`` reordered by ``[B,S]``."""
    return x[torch.arange(len(x), device=x.device)[:, None], order]


class CameraEncoder(nn.Module):
    """Given cameras as tokens that take the place of the class tokens."""

    def __init__(self, config: TwinConfig) -> None:
        super().__init__()
        dim, heads = config.width, config.camera_encoder_heads
        self.pose_branch = Perceptron(9, dim // 2, dim)
        self.token_norm, self.trunk_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.trunk = nn.ModuleList(
            Block(dim, heads, qk_norm=False, eps=1e-5) for _ in range(config.camera_encoder_blocks)
        )

    def forward(self, extrinsics: Tensor, intrinsics: Tensor, height: int, width: int) -> Tensor:
        """``[B,S,C]`` from camera-from-world ``[B,S,4,4]`` and pixel intrinsics ``[B,S,3,3]``."""
        world_from_cam = extrinsics[..., :3, :3].transpose(-1, -2)
        centre = -(world_from_cam @ extrinsics[..., :3, 3:])[..., 0]
        fov_y = 2 * torch.atan(height / 2 / intrinsics[..., 1, 1])
        fov_x = 2 * torch.atan(width / 2 / intrinsics[..., 0, 0])
        quat_xyzw = positive_quat_xyzw_from_rotation(world_from_cam)
        pose_enc = torch.cat([centre, quat_xyzw, torch.stack([fov_y, fov_x], dim=-1)], dim=-1)
        tokens = self.token_norm(self.pose_branch(pose_enc))
        for block in self.trunk:
            tokens = block(tokens)
        return self.trunk_norm(tokens)


class CameraDecoder(nn.Module):
    """Centre, quaternion of world from camera and fields of view, in one pass."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU()
        )
        self.fc_t, self.fc_qvec = nn.Linear(dim, 3), nn.Linear(dim, 4)
        self.fc_fov = nn.Sequential(nn.Linear(dim, 2), nn.ReLU())

    def forward(self, camera_token: Tensor) -> Tensor:
        x = self.backbone(camera_token)
        return torch.cat([self.fc_t(x), self.fc_qvec(x), self.fc_fov(x)], dim=-1)


def decode_cameras(pose_enc: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Camera from world ``[...,3,4]`` and pixel intrinsics ``[...,3,3]`` of ``[...,9]``."""
    cam_from_world = rotation_from_quat_xyzw(pose_enc[..., 3:7]).transpose(-1, -2)
    translation = -(cam_from_world @ pose_enc[..., :3, None])
    half_tangents = (pose_enc[..., 7:] / 2).tan().clamp(min=1e-6)
    intrinsics = torch.zeros(*pose_enc.shape[:-1], 3, 3, dtype=pose_enc.dtype).to(pose_enc.device)
    intrinsics[..., 0, 0] = width / 2 / half_tangents[..., 1]
    intrinsics[..., 1, 1] = height / 2 / half_tangents[..., 0]
    intrinsics[..., 0, 2], intrinsics[..., 1, 2], intrinsics[..., 2, 2] = width / 2, height / 2, 1
    return torch.cat([cam_from_world, translation], dim=-1), intrinsics


class Backbone(nn.Module):
    """Holds the transformer under its published name."""

    def __init__(self, config: TwinConfig) -> None:
        super().__init__()
        self.pretrained = Transformer(config)


class DA3Twin(nn.Module):
    """The whole network: cameras, depth and rays, all of them always."""

    def __init__(self, config: TwinConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config)
        self.head = DualDPT(2 * config.width, config.features, config.out_channels)
        self.cam_enc, self.cam_dec = CameraEncoder(config), CameraDecoder(2 * config.width)

    def forward(
        self,
        images: Tensor,
        extrinsics: Tensor | None = None,
        intrinsics: Tensor | None = None,
        bfloat16: bool = False,
    ) -> dict[str, Tensor]:
        """Outputs for normalised ``[B,S,3,H,W]``; ``bfloat16``: the backbone under autocast."""
        height, width = images.shape[-2:]
        condition = None
        if extrinsics is not None and intrinsics is not None:
            condition = self.cam_enc(extrinsics, intrinsics, height, width)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=bfloat16):
            taken = self.backbone.pretrained(images, condition)
        layers = [layer.flatten(0, 1) for layer in taken.features]
        dense = self.head(layers, height, width, PATCH)
        pose_enc = self.cam_dec(taken.camera_token)
        cam_from_world, pixel_intrinsics = decode_cameras(pose_enc, height, width)
        return {
            **{name: value.unflatten(0, images.shape[:2]) for name, value in dense.items()},
            "pose_enc": pose_enc,
            "extrinsics": cam_from_world,
            "intrinsics": pixel_intrinsics,
        }


def normalise(images: Tensor) -> Tensor:
    """What the published preprocessing does to ``[...,3,H,W]`` in [0, 1] before the network."""
    mean, std = images.new_tensor([MEAN, STD])[..., None, None]
    return (images - mean) / std


def build_twin(config: TwinConfig, weights: dict[str, Tensor]) -> DA3Twin:
    """A twin of published tensors, all of them and no others, which it holds without a copy."""
    with torch.device("meta"):
        twin = DA3Twin(config)
    shared = {name: weights[stored] for name, stored in METADATA.items()}
    state = {name.removeprefix("model."): x for name, x in {**weights, **shared}.items()}
    twin.load_state_dict(state, assign=True)
    return twin.eval().requires_grad_(False)


def load_twin(size: str, path: Path) -> DA3Twin:
    """A twin of one of `CONFIGS` with the tensors of a published file."""
    return build_twin(CONFIGS[size], load_file(path))
