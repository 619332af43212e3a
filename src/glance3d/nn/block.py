"""The pre-norm transformer block."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from glance3d.nn.attention import SelfAttention
from glance3d.nn.mlp import Mlp, SwiGLU
from glance3d.nn.precision import LayerNorm
from glance3d.nn.rope import RopeTable


class LayerScale(nn.Module):
    """A learned factor for each channel of a residual branch (Touvron et al. 2021)."""

    def __init__(self, dim: int, init_value: float) -> None:
        super().__init__()
        # Small values let a new block change little of what it is given.
        self.gamma = nn.Parameter(torch.full((dim,), init_value))

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Scale each channel."""
        return x * self.gamma.to(x.dtype)


class Block(nn.Module):
    """``x + attention(norm(x))``, then ``x + mlp(norm(x))``, each branch with a layer scale.

    ``gated``: its perceptron is a SwiGLU. ``norm_eps`` is of the norms of the residual stream.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        qk_norm: bool = False,
        init_values: float = 0.01,
        norm_eps: float = 1e-5,
        gated: bool = False,
    ) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim, eps=norm_eps)
        self.attn = SelfAttention(dim, num_heads, qkv_bias, qk_norm)
        self.ls1 = LayerScale(dim, init_values)
        self.norm2 = LayerNorm(dim, eps=norm_eps)
        self.mlp = (SwiGLU if gated else Mlp)(dim, round(dim * mlp_ratio))
        self.ls2 = LayerScale(dim, init_values)

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], rope: RopeTable | None = None
    ) -> Float[Tensor, "batch tokens dim"]:
        """One block; the residual stream keeps the precision it came with."""
        x = x + self.ls1(self.attn(self.norm1(x), rope))
        return x + self.ls2(self.mlp(self.norm2(x)))
