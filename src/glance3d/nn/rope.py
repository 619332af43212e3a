"""Rotary positions in two dimensions (RoPE-ViT, Heo et al. 2024, section 3.2, axial frequencies).

The first half of a head's channels is rotated by y, the second half by x. A token at position 0
is left as it is, which is where special tokens live; patches start at 1.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.nn.tables import cached_table


class RopeTable(NamedTuple):
    """Cosines and sines of every token of one view, special tokens first.

    Axis 1 of ``cos`` and ``sin`` is (y, x), and ``quarter`` is a quarter of a head's channels.
    ``wide_cos`` and ``wide_sin`` are the same laid out channel by channel, the sines with the signs
    of the rotation: a rotated vector is ``x * wide_cos + swap(x) * wide_sin``, where ``swap``
    exchanges the two quarters of each half.
    """

    cos: Float[Tensor, "view_tokens 2 quarter"]
    sin: Float[Tensor, "view_tokens 2 quarter"]
    wide_cos: Float[Tensor, "view_tokens head_dim"]
    wide_sin: Float[Tensor, "view_tokens head_dim"]


@cached_table
def build_rope_table(
    grid: tuple[int, int],
    num_special: int,
    head_dim: int,
    base: float,
    device: torch.device,
    *,
    one_place: bool = False,
) -> RopeTable:
    """The table of a patch ``grid`` (rows, columns): frequencies ``base^(-i / quarter)``.

    ``one_place``: all patches are at (1, 1), so that positions tell them from special tokens alone.
    """
    rows, columns = grid
    quarter = head_dim // 4
    y = torch.arange(1, rows + 1, device=device, dtype=torch.float32)
    x = torch.arange(1, columns + 1, device=device, dtype=torch.float32)
    patches = torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).reshape(-1, 2)
    if one_place:
        patches = torch.ones_like(patches)
    positions = torch.cat([patches.new_zeros(num_special, 2), patches])
    # omega_i = base^(-i / quarter), for y and for x alike. A token at position p turns the pair of
    # channels i and i + quarter of an axis's half by the angle omega_i p.
    exponents = torch.arange(quarter, device=device, dtype=torch.float32) / quarter
    angles = positions[:, :, None] * base**-exponents
    cos, sin = angles.cos(), angles.sin()
    wide_cos = torch.stack([cos, cos], dim=-2).flatten(1)
    wide_sin = torch.stack([-sin, sin], dim=-2).flatten(1)
    return RopeTable(cos, sin, wide_cos, wide_sin)


def apply_rope(
    x: Float[Tensor, "batch heads views_tokens head_dim"], table: RopeTable
) -> Float[Tensor, "batch heads views_tokens head_dim"]:
    """Rotate queries or keys of one or several views that share one grid (view after view)."""
    cos, sin = table.cos, table.sin
    tokens, axes, quarter = cos.shape
    # [..., views, tokens, axis (y, x), first or second of a pair, quarter]
    pairs = x.reshape(*x.shape[:2], -1, tokens, axes, 2, quarter)
    first, second = pairs.unbind(-2)
    # (a, b) becomes (a cos - b sin, b cos + a sin).
    rotated = torch.stack([first * cos - second * sin, second * cos + first * sin], dim=-2)
    return rotated.reshape(x.shape)


def rotate_(
    x: Float[Tensor, "views view_tokens heads head_dim"], table: RopeTable, start: int = 0
) -> Float[Tensor, "views view_tokens heads head_dim"]:
    """:func:`apply_rope` in place, in few passes, for tokens before heads; for prediction only.

    ``x`` holds the tokens of each view from ``start`` on.
    """
    tokens = slice(start, start + x.shape[1])
    # A half holds two quarters: rolling it by one quarter exchanges a and b of every pair.
    swapped = x.unflatten(-1, (2, -1)).roll(x.shape[-1] // 4, -1).flatten(-2)
    x.mul_(table.wide_cos[tokens, None])
    return x.addcmul_(swapped, table.wide_sin[tokens, None])
