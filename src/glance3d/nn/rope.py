"""Rotary positions in two dimensions (RoPE-ViT, Heo et al. 2024, section 3.2, axial frequencies).

The first half of a head's channels is rotated by y, the second half by x. A token at position 0
is left as it is, which is where special tokens live; patches start at 1.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.nn.tables import cached_table

RopeTable = tuple[Float[Tensor, "view_tokens 2 quarter"], Float[Tensor, "view_tokens 2 quarter"]]


@cached_table
def build_rope_table(
    grid: tuple[int, int], num_special: int, head_dim: int, base: float, device: torch.device
) -> RopeTable:
    """Cosines and sines of every token of one view: special tokens first, then the patch grid.

    ``grid`` is (rows, columns); axis 1 is (y, x); ``quarter`` is ``head_dim / 4`` frequencies
    ``base^(-i / quarter)``.
    """
    rows, columns = grid
    quarter = head_dim // 4
    y = torch.arange(1, rows + 1, device=device, dtype=torch.float32)
    x = torch.arange(1, columns + 1, device=device, dtype=torch.float32)
    patches = torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).reshape(-1, 2)
    positions = torch.cat([patches.new_zeros(num_special, 2), patches])
    exponents = torch.arange(quarter, device=device, dtype=torch.float32) / quarter
    angles = positions[:, :, None] * base**-exponents
    return angles.cos(), angles.sin()


def apply_rope(
    x: Float[Tensor, "batch heads views_tokens head_dim"], table: RopeTable
) -> Float[Tensor, "batch heads views_tokens head_dim"]:
    """Rotate queries or keys of one or several views that share one grid (view after view)."""
    cos, sin = table
    tokens, axes, quarter = cos.shape
    pairs = x.reshape(*x.shape[:2], -1, tokens, axes, 2, quarter)
    first, second = pairs.unbind(-2)
    rotated = torch.stack([first * cos - second * sin, second * cos + first * sin], dim=-2)
    return rotated.reshape(x.shape)
