"""The pre-norm transformer block."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from glance3d.nn.attention import SelfAttention
from glance3d.nn.chunks import cached_slices, chunk_tokens, num_chunks
from glance3d.nn.mlp import Mlp
from glance3d.nn.precision import LayerNorm, only_predicts
from glance3d.nn.rope import RopeTable


class LayerScale(nn.Module):
    """A learned factor for each channel of a residual branch (Touvron et al. 2021)."""

    def __init__(self, dim: int, init_value: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), init_value))

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Scale each channel."""
        return x * self.gamma.to(x.dtype)

    def add_scaled_(
        self, x: Float[Tensor, "batch tokens dim"], branch: Float[Tensor, "batch tokens dim"]
    ) -> None:
        """``x += scale * branch``; for prediction only."""
        for rows in cached_slices(x.shape[1], x.shape[0] * x.shape[2], x.device):
            x[:, rows].addcmul_(branch[:, rows], self.gamma)


class Block(nn.Module):
    """``x + attention(norm(x))``, then ``x + mlp(norm(x))``, each branch with a layer scale."""

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
    ) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim, eps=norm_eps)
        self.attn = SelfAttention(dim, num_heads, qkv_bias, qk_norm)
        self.ls1 = LayerScale(dim, init_values)
        self.norm2 = LayerNorm(dim, eps=norm_eps)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.ls2 = LayerScale(dim, init_values)

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], rope: RopeTable | None = None
    ) -> Float[Tensor, "batch tokens dim"]:
        """One block; the residual stream keeps the precision it came with."""
        x = x + self.ls1(self.attn(self.norm1(x), rope))
        return x + self.ls2(self.mlp(self.norm2(x)))

    def predict_(
        self,
        x: Float[Tensor, "batch tokens dim"],
        rope: RopeTable | None = None,
        keys: Int[Tensor, " kept"] | None = None,
    ) -> None:
        """:meth:`forward` for prediction only: in place on float32 ``x``, a chunk at a time.

        ``keys``: which tokens serve as keys and values; all of them by default.
        """
        chunk, dtype = chunk_tokens(x.device), self.mlp.fc1.weight.dtype
        for part in x.split(max(1, chunk // x.shape[1])):
            self._attend_(part, rope, keys, chunk)
            tokens = part.view(1, -1, part.shape[-1])
            for piece in tokens.chunk(num_chunks(tokens.shape[1], chunk), dim=1):
                self.ls2.add_scaled_(piece, self.mlp(self.norm2.rounded(piece, dtype)))

    def _attend_(self, x: Tensor, rope: RopeTable | None, keys: Tensor | None, chunk: int) -> None:
        """``x += scale * attention(norm(x))``; queries, keys and values are made by chunks."""
        view_tokens = x.shape[1] if rope is None else len(rope.cos)
        step = max(1, chunk // view_tokens) * view_tokens  # whole views: the rotary table is theirs
        pieces = x.split(step, dim=1)
        dtype = self.attn.qkv.weight.dtype
        if len(pieces) == 1:
            q, k, v = self.attn.project_qkv(self.norm1.rounded(x, dtype), rope)
        else:
            shape = (*x.shape[:2], self.attn.num_heads, x.shape[2] // self.attn.num_heads)
            q, k, v = (x.new_empty(shape, dtype=dtype) for _ in range(3))
            for index, piece in enumerate(pieces):
                made = self.attn.project_qkv(self.norm1.rounded(piece, dtype), rope)
                for whole, part in zip((q, k, v), made, strict=True):
                    whole[:, index * step : index * step + part.shape[1]] = part
                del made, part  # or the next are made beside them
        if keys is not None:
            k, v = k[:, keys], v[:, keys]
        attended = self.attn.attend(q, k, v)
        for piece, said in zip(pieces, attended.split(step, dim=1), strict=True):
            self.ls1.add_scaled_(piece, self.attn.proj(said))


def run_block_(
    block: nn.Module,
    x: Float[Tensor, "batch tokens dim"],
    rope: RopeTable | None = None,
    keys: Int[Tensor, " kept"] | None = None,
) -> Float[Tensor, "batch tokens dim"]:
    """A block's output; while only predicting it is ``x`` itself, overwritten.

    ``keys`` are for prediction only.
    """
    assert isinstance(block, Block)
    if not only_predicts(x):
        return block(x, rope)
    block.predict_(x, rope, keys)
    return x
