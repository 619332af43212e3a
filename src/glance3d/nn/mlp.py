"""The perceptrons of a transformer block."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from glance3d.nn.precision import Linear


class Mlp(nn.Module):
    """``fc2(gelu(fc1(x)))``, with the exact GELU."""

    def __init__(self, in_dim: int, hidden_dim: int, out_dim: int | None = None) -> None:
        super().__init__()
        self.fc1 = Linear(in_dim, hidden_dim)
        self.fc2 = Linear(hidden_dim, in_dim if out_dim is None else out_dim)

    @property
    def dtype(self) -> torch.dtype:
        """The precision of its products."""
        return self.fc1.weight.dtype

    def forward(self, x: Float[Tensor, "*batch in_dim"]) -> Float[Tensor, "*batch out_dim"]:
        """Both layers, at the precision of their weights."""
        if not isinstance(self.fc1, Linear):  # wrapped by peft, which adds to what comes out
            return self.fc2(F.gelu(self.fc1(x)))
        return self.fc2(self.fc1(x, gelu=True))


class SwiGLU(nn.Module):
    """``out_proj(silu(g) * v)``, where g and v are the halves of ``in_proj(x)`` (Shazeer 2020)."""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.in_proj = Linear(dim, 2 * hidden_dim)
        self.out_proj = Linear(hidden_dim, dim)

    @property
    def dtype(self) -> torch.dtype:
        """The precision of its products."""
        return self.in_proj.weight.dtype

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Both layers, at the precision of their weights."""
        gate, value = self.in_proj(x).chunk(2, dim=-1)
        return self.out_proj(F.silu(gate) * value)
