"""Multi-head attention: of a sequence to itself, and of queries to a context."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from glance3d.nn.chunks import cached_slices
from glance3d.nn.fast import cpu as fast_cpu
from glance3d.nn.fast import gpu as fused_gpu
from glance3d.nn.precision import LayerNorm, Linear
from glance3d.nn.rope import RopeTable, apply_rope, rotate_

Heads = Float[Tensor, "batch _tokens heads head_dim"]


def attend(
    q: Float[Tensor, "batch heads queries dim"],
    k: Float[Tensor, "batch heads keys dim"],
    v: Float[Tensor, "batch heads keys dim"],
) -> Float[Tensor, "batch heads queries dim"]:
    """``softmax(q k^T / sqrt(dim)) v``.

    Small bfloat16 training on a CPU takes the plain products: the fused kernel's backward
    is 2 to 7 times slower there (69 to 276 tokens), though it needs less memory.
    """
    if v.dtype == torch.bfloat16 and v.device.type == "cpu" and v.requires_grad:
        # Queries are scaled and not scores: there are fewer of them.
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        return scores.softmax(-1) @ v
    predicting = v.device.type == "cpu" and not torch.is_grad_enabled()
    if predicting and fast_cpu.attends_in_blocks(q.shape[-2], k.shape[-2], q.shape[-1], v.dtype):
        return fast_cpu.attend_in_blocks(q, k, v)
    return F.scaled_dot_product_attention(q, k, v)


class SelfAttention(nn.Module):
    """Attention of every token to every token of its sequence.

    With ``qk_norm`` queries and keys are normalised per head, before the rotary positions.
    """

    def __init__(
        self, dim: int, num_heads: int, qkv_bias: bool = True, qk_norm: bool = False
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        head_dim = dim // num_heads
        self.qkv = Linear(dim, 3 * dim, bias=qkv_bias)
        self.q_norm = LayerNorm(head_dim) if qk_norm else nn.Identity()
        self.k_norm = LayerNorm(head_dim) if qk_norm else nn.Identity()
        self.proj = Linear(dim, dim)

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], rope: RopeTable | None = None
    ) -> Float[Tensor, "batch tokens dim"]:
        """Attend; ``rope`` is the table of one view, which the tokens repeat view after view."""
        # Channels of the packed product: q, k, v, each head after head.
        qkv = self.qkv(x).unflatten(-1, (3, self.num_heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        q, k = self.q_norm(q), self.k_norm(k)
        if rope is not None:
            q, k = apply_rope(q, rope), apply_rope(k, rope)
        out = attend(q.to(v.dtype), k.to(v.dtype), v)
        return self.proj(out.transpose(1, 2).flatten(2))

    def project_qkv(
        self, x: Float[Tensor, "batch tokens dim"], rope: RopeTable | None
    ) -> tuple[Heads, Heads, Heads]:
        """Normed and rotated queries and keys, and values; for prediction only.

        The same numbers as in :meth:`forward`, in fewer passes over memory.
        """
        q, k, v = self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).unbind(2)
        if rope is not None:
            return _norm_and_rotate(self.q_norm, q, rope), _norm_and_rotate(self.k_norm, k, rope), v
        # Norms are float32; attention wants all three at the values' precision.
        q, k = self.q_norm(q).to(v.dtype), self.k_norm(k).to(v.dtype)
        return q, k, v

    def attend(self, q: Heads, k: Heads, v: Heads) -> Float[Tensor, "batch tokens dim"]:
        """What :meth:`forward` does with the result of :meth:`project_qkv`, but for ``proj``."""
        out = attend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
        return out.transpose(1, 2).flatten(2)


def _norm_and_rotate(norm: nn.Module, x: Heads, rope: RopeTable) -> Heads:
    """In float32, but rounded as ``x`` is; some tokens of every view at a time."""
    kernels = fused_gpu.kernels_for(x.device)
    if kernels is not None:
        learned = (norm.weight, norm.bias, norm.eps) if isinstance(norm, LayerNorm) else None
        table = (rope.wide_cos, rope.wide_sin)
        return fused_gpu.norm_and_rotate(kernels, x.flatten(0, 1), learned, table).view(x.shape)
    # [views of all scenes, view tokens, heads, head_dim]: each starts at the table's start.
    views = x.unflatten(1, (-1, len(rope.cos))).flatten(0, 1)
    out = views.new_empty(views.shape)
    numbers = views[:, 0].numel()
    for tokens in cached_slices(views.shape[1], numbers, x.device):
        out[:, tokens] = rotate_(norm(views[:, tokens].float()), rope, tokens.start)
    return out.view(x.shape)


class PackedAttention(nn.Module):
    """Attention of queries to a context, with q, k and v packed in one weight.

    The context may be the queries themselves. Queries and context have the same width.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.in_proj = Linear(dim, 3 * dim)
        self.out_proj = Linear(dim, dim)

    def forward(
        self, x: Float[Tensor, "batch queries dim"], context: Float[Tensor, "batch keys dim"]
    ) -> Float[Tensor, "batch queries dim"]:
        """Attend from ``x`` to ``context``."""
        dim = x.shape[-1]
        # Rows of the packed weight: q, then k and v, which read the context.
        q = self.in_proj.some_rows(x, slice(dim))
        kv = self.in_proj.some_rows(context, slice(dim, None))
        q = q.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        k, v = kv.unflatten(-1, (2, self.num_heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        out = attend(q, k, v)
        return self.out_proj(out.transpose(1, 2).flatten(2))
