"""The texture atlas: every surface's picture with its mip levels, packed into one tensor."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.datasets.synthetic.appearance.patterns import PATTERNS, clouds
from glance3d.errors import InputError

#: The first textures of every atlas are clouds, for skies.
NUM_SKIES = 4


class TextureAtlas(NamedTuple):
    """``packed`` holds all levels of texture 0, then of texture 1 ...; red in the lowest byte."""

    packed: Int[Tensor, " texels"]
    level_sizes: Int[Tensor, " levels"]
    level_offsets: Int[Tensor, " levels"]
    size: int
    num_levels: int
    texels_per_texture: int
    num_textures: int

    def to(self, device: torch.device | str) -> "TextureAtlas":
        """The same atlas on another device."""
        return self._replace(
            packed=self.packed.to(device),
            level_sizes=self.level_sizes.to(device),
            level_offsets=self.level_offsets.to(device),
        )


def check_texture_size(size: int) -> None:
    """Refuse a size that is no power of two or too small for the patterns."""
    if size < 16 or size & (size - 1):
        raise InputError(f"a texture's side must be a power of two from 16 pixels, got {size}")


def pack_atlas(images: Float[Tensor, "textures 3 size size"]) -> TextureAtlas:
    """An atlas of square images in [0, 1] whose side is a power of two from 16 pixels."""
    count, size = images.shape[0], images.shape[-1]
    check_texture_size(size)
    levels, sizes, offsets, total = [], [], [], 0
    while True:
        byte = (images.clamp(0, 1) * 255).round().to(torch.int32)
        levels.append((byte[:, 0] | byte[:, 1] << 8 | byte[:, 2] << 16).flatten(1))
        side = images.shape[-1]
        sizes.append(side)
        offsets.append(total)
        total += side * side
        if side == 1:
            break
        images = F.avg_pool2d(images, 2)
    return TextureAtlas(
        packed=torch.cat(levels, 1).flatten(),
        level_sizes=torch.tensor(sizes),
        level_offsets=torch.tensor(offsets),
        size=size,
        num_levels=len(sizes),
        texels_per_texture=total,
        num_textures=count,
    )


def _skies(generator: torch.Generator, size: int) -> Tensor:
    return clouds(generator, NUM_SKIES, size)


def build_atlas(seed: int, num_textures: int, size: int) -> TextureAtlas:
    """Procedural textures from a seed: ``NUM_SKIES`` clouds, then the patterns in turn."""
    generator = torch.Generator().manual_seed(seed)
    images = [_skies(generator, size)]
    for number, pattern in enumerate(PATTERNS):
        count = len(range(number, num_textures - NUM_SKIES, len(PATTERNS)))
        if count:
            images.append(pattern(generator, count, size))
    return pack_atlas(torch.cat(images))


def atlas_from_images(textures: np.ndarray | Tensor, seed: int) -> TextureAtlas:
    """An atlas of given RGB textures, bytes of shape (count, size, size, 3); skies stay clouds.

    Textures repeat when they are smaller than a surface: seamless ones look best.
    """
    given = torch.as_tensor(np.asarray(textures))
    shaped = given.ndim == 4 and given.shape[1] == given.shape[2] and given.shape[3] == 3
    if not shaped or given.dtype != torch.uint8 or not len(given):
        raise InputError(
            "textures must be uint8 of shape (count, size, size, 3), got "
            f"{given.dtype} of shape {tuple(given.shape)}"
        )
    check_texture_size(given.shape[1])
    images = given.permute(0, 3, 1, 2).float() / 255
    generator = torch.Generator().manual_seed(seed)
    return pack_atlas(torch.cat([_skies(generator, images.shape[-1]), images]))
