"""Transformer blocks while only predicting: in place, a chunk at a time, at the weights' precision.

The numbers are those of :meth:`glance3d.nn.block.Block.forward`. Nothing is kept for gradients, so
the residual stream is overwritten, and what is in flight is one chunk's queries or hidden layer.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from glance3d.distributed.views import KeysAcross
from glance3d.nn.attention import Heads, SelfAttention
from glance3d.nn.block import Block, LayerScale
from glance3d.nn.chunks import (
    cached_slices,
    chunk_tokens,
    num_chunks,
    recomputes,
    run_recomputed,
)
from glance3d.nn.fast.log_sum import attend_with_log_sum
from glance3d.nn.precision import only_predicts
from glance3d.nn.rope import RopeTable


def run_block_(
    block: nn.Module,
    x: Float[Tensor, "batch tokens dim"],
    rope: RopeTable | None = None,
    keys: Int[Tensor, "*views kept"] | None = None,
    across: KeysAcross | None = None,
) -> Float[Tensor, "batch tokens dim"]:
    """A block's output; while only predicting it is ``x`` itself, overwritten.

    ``keys`` and ``across`` are for prediction only.
    """
    assert isinstance(block, Block)
    if not only_predicts(x):
        return run_recomputed(block, x, rope) if recomputes() else block(x, rope)
    predict_block_(block, x, rope, keys, across)
    return x


def predict_block_(
    block: Block,
    x: Float[Tensor, "batch tokens dim"],
    rope: RopeTable | None = None,
    keys: Int[Tensor, "*views kept"] | None = None,
    across: KeysAcross | None = None,
) -> None:
    """``x`` becomes the block's output; for prediction only, on float32 ``x``.

    ``keys``: which tokens serve as keys and values, of all queries or, in a row each, of those of
    every view; all of them by default. ``across``: those of other ranks do as well; then there is
    one sequence.
    """
    chunk, dtype = chunk_tokens(x.device), block.mlp.dtype
    # Sequences attend apart from each other: as many at a time as a chunk holds, at least one.
    for part in x.split(max(1, chunk // x.shape[1])):
        _attend_(block, part, rope, keys, across, chunk)
        # The perceptron works token by token, so that its chunks may cut sequences.
        tokens = part.view(1, -1, part.shape[-1])
        for piece in tokens.chunk(num_chunks(tokens.shape[1], chunk), dim=1):
            _add_scaled_(piece, block.mlp(block.norm2.rounded(piece, dtype)), block.ls2)


def _attend_(
    block: Block,
    x: Float[Tensor, "batch tokens dim"],
    rope: RopeTable | None,
    keys: Int[Tensor, "*views kept"] | None,
    across: KeysAcross | None,
    chunk: int,
) -> None:
    """``x += scale * attention(norm(x))``; queries, keys and values are made by chunks."""
    view_tokens = x.shape[1] if rope is None else len(rope.cos)
    step = max(1, chunk // view_tokens) * view_tokens  # whole views: the rotary table is theirs
    pieces = x.split(step, dim=1)
    dtype = block.attn.qkv.weight.dtype
    if len(pieces) == 1:
        q, k, v = block.attn.project_qkv(block.norm1.rounded(x, dtype), rope)
    else:
        shape = (*x.shape[:2], block.attn.num_heads, x.shape[2] // block.attn.num_heads)
        q, k, v = (x.new_empty(shape, dtype=dtype) for _ in range(3))
        for index, piece in enumerate(pieces):
            projected = block.attn.project_qkv(block.norm1.rounded(piece, dtype), rope)
            for whole, part in zip((q, k, v), projected, strict=True):
                whole[:, index * step : index * step + part.shape[1]] = part
            del projected, part  # or the next are made beside them
    if keys is not None and keys.dim() == 1:
        k, v = k[:, keys], v[:, keys]
    # Attention alone needs the whole sequence at once.
    if keys is not None and keys.dim() == 2:
        attended = attend_by_views(block.attn, q, k, v, keys)
    elif across is None:
        attended = block.attn.attend(q, k, v)
    else:
        attended = attend_across_ranks(block.attn, q, k, v, across)
    for piece, of_piece in zip(pieces, attended.split(step, dim=1), strict=True):
        _add_scaled_(piece, block.attn.proj(of_piece), block.ls1)


def attend_by_views(
    attention: SelfAttention, q: Heads, k: Heads, v: Heads, keys: Int[Tensor, "views kept"]
) -> Float[Tensor, "batch tokens dim"]:
    """Each view's queries see the keys and values of its row; of one sequence."""
    views = q[0].unflatten(0, (len(keys), -1))
    attended = v.new_empty(*views.shape[:2], views[0, 0].numel())
    at_a_time = max(1, chunk_tokens(q.device) // keys.shape[1])
    for part, some, seen in zip(
        *(each.split(at_a_time) for each in (attended, views, keys)), strict=True
    ):
        part.copy_(attention.attend(some, k[0, seen], v[0, seen]))
    return attended.flatten(0, 1)[None]


def attend_across_ranks(
    attention: SelfAttention, q: Heads, k: Heads, v: Heads, across: KeysAcross
) -> Float[Tensor, "batch tokens dim"]:
    """What :meth:`SelfAttention.attend` would give of all ranks' keys and values at once.

    ``k`` and ``v`` may have rows more than this rank's count, which are left out.
    """
    if not across.by_ring:
        return attention.attend(q, across.gathered(k), across.gathered(v))
    q = q.transpose(1, 2)
    out: Tensor | None = None
    total: Tensor | None = None
    for keys, values in across.rotated(k, v):
        part, log_sum = attend_with_log_sum(q, keys.transpose(1, 2), values.transpose(1, 2))
        if out is None or total is None:
            out, total = part.float(), log_sum
            continue
        # Two softmaxes over disjoint keys, with sums Z1 and Z2 of exponentials: the one over both
        # is (Z1 out1 + Z2 out2) / (Z1 + Z2), and log(Z1 + Z2) stays what it is to the next.
        both = torch.logaddexp(total, log_sum)
        out.mul_((total - both).exp()[..., None]).add_(part * (log_sum - both).exp()[..., None])
        total = both
    assert out is not None  # there is a view somewhere
    return out.to(v.dtype).transpose(1, 2).flatten(2)


def _add_scaled_(
    x: Float[Tensor, "batch tokens dim"],
    branch: Float[Tensor, "batch tokens dim"],
    scale: LayerScale,
) -> None:
    """``x += scale * branch``, some rows at a time, so that both stay in a processor's cache."""
    for rows in cached_slices(x.shape[1], x.shape[0] * x.shape[2], x.device):
        x[:, rows].addcmul_(branch[:, rows], scale.gamma)
