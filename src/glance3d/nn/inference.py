"""Transformer blocks while only predicting: in place, a chunk at a time, at the weights' precision.

The numbers are those of :meth:`glance3d.nn.block.Block.forward`. Nothing is kept for gradients, so
the residual stream is overwritten, and what is in flight is one chunk's queries or hidden layer.
"""

from jaxtyping import Float, Int
from torch import Tensor, nn

from glance3d.nn.block import Block, LayerScale
from glance3d.nn.chunks import cached_slices, chunk_tokens, num_chunks
from glance3d.nn.precision import only_predicts
from glance3d.nn.rope import RopeTable


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
    predict_block_(block, x, rope, keys)
    return x


def predict_block_(
    block: Block,
    x: Float[Tensor, "batch tokens dim"],
    rope: RopeTable | None = None,
    keys: Int[Tensor, " kept"] | None = None,
) -> None:
    """``x`` becomes the block's output; for prediction only, on float32 ``x``.

    ``keys``: which tokens serve as keys and values; all of them by default.
    """
    chunk, dtype = chunk_tokens(x.device), block.mlp.dtype
    # Sequences attend apart from each other: as many at a time as a chunk holds, at least one.
    for part in x.split(max(1, chunk // x.shape[1])):
        _attend_(block, part, rope, keys, chunk)
        # The perceptron works token by token, so that its chunks may cut sequences.
        tokens = part.view(1, -1, part.shape[-1])
        for piece in tokens.chunk(num_chunks(tokens.shape[1], chunk), dim=1):
            _add_scaled_(piece, block.mlp(block.norm2.rounded(piece, dtype)), block.ls2)


def _attend_(
    block: Block,
    x: Float[Tensor, "batch tokens dim"],
    rope: RopeTable | None,
    keys: Int[Tensor, " kept"] | None,
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
    if keys is not None:
        k, v = k[:, keys], v[:, keys]
    # Attention alone needs the whole sequence at once.
    attended = block.attn.attend(q, k, v)
    for piece, of_piece in zip(pieces, attended.split(step, dim=1), strict=True):
        _add_scaled_(piece, block.attn.proj(of_piece), block.ls1)


def _add_scaled_(
    x: Float[Tensor, "batch tokens dim"],
    branch: Float[Tensor, "batch tokens dim"],
    scale: LayerScale,
) -> None:
    """``x += scale * branch``, some rows at a time, so that both stay in a processor's cache."""
    for rows in cached_slices(x.shape[1], x.shape[0] * x.shape[2], x.device):
        x[:, rows].addcmul_(branch[:, rows], scale.gamma)
