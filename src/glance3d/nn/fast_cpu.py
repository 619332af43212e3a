"""The two products that decide how fast a processor is: linear layers and attention.

Both give the numbers of what they replace, to rounding, and keep no gradients. PyTorch's own choice
is often another library's kernel, which on some processors runs at half the speed of oneDNN's.
"""

import functools
import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

# Scores of one head from which on blocks are faster: below, calls cost more than they compute (the
# tracker attends over a few views in hundreds of small sequences: 158 times slower by blocks).
LEAST_SCORES = 2**16
# Of one block of attention weights. It stays in the cache, and is small enough for the allocator to
# give the same memory again: larger ones come as fresh pages each time, which costs as much again.
SCORE_BYTES = 2**22
MAX_THREADS_FOR_BLOCKS = 16  # beyond this one head's block is too little work to share
# Scores are lowered by this much before they are exponentiated. A row is trusted if its sum then
# lies in between: so small that every sigmoid was an exponential, to the precision kept, and so
# large that nothing of weight was too small for a float.
SHIFT = 40.0
LEAST_SUM, MOST_SUM = 2.0**-100, 2.0**-10
SUMMED_PARTS = 4


@functools.cache
def capabilities() -> dict[str, object]:
    """What the processor can do, as torch tells it; nothing where it does not."""
    try:
        return dict(torch.cpu.get_capabilities())
    except (AttributeError, RuntimeError):  # an older torch, or another kind of processor
        return {}


def has_fast_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 faster than float32."""
    found = capabilities()
    return torch.backends.mkldnn.is_available() and bool(
        found.get("avx512_bf16") or found.get("amx_bf16")
    )


@functools.cache
def has_onednn_linear() -> bool:
    """Whether oneDNN's linear layer is here and does what is expected of it (one small trial)."""
    if not torch.backends.mkldnn.is_available():
        return False
    with torch.autocast("cpu", enabled=False):  # whoever asks first may be under autocast
        return _is_right_onednn_linear()


def _is_right_onednn_linear() -> bool:
    x, weight = torch.linspace(-1, 1, 6).view(2, 3), torch.linspace(-1, 1, 12).view(4, 3)
    try:
        gelu, sigmoid = _onednn(x, weight, None, "gelu"), _onednn(x, weight, None, "sigmoid")
    except (AttributeError, RuntimeError, NotImplementedError):
        return False
    scores = x @ weight.T
    return torch.allclose(gelu, F.gelu(scores), atol=1e-6) and torch.allclose(
        sigmoid, scores.sigmoid(), atol=1e-6
    )


def linear(
    x: Float[Tensor, "*batch in_dim"],
    weight: Float[Tensor, "out_dim in_dim"],
    bias: Float[Tensor, " out_dim"] | None,
    gelu: bool = False,
) -> Float[Tensor, "*batch out_dim"]:
    """``x W^T + b``, optionally through the exact GELU; float32 is true float32."""
    if has_onednn_linear():
        return _onednn(x, weight, bias, "gelu" if gelu else "none")
    out = F.linear(x, weight, bias)
    return F.gelu(out) if gelu else out


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None, then: str) -> Tensor:
    """The product and what is done to it (none, gelu, sigmoid), in float32 before it is rounded."""
    algorithm = "none" if then == "gelu" else ""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, then, [], algorithm)


def attends_in_blocks(num_queries: int, num_keys: int) -> bool:
    """Whether :func:`attend_in_blocks` is the faster one here, for sequences of these lengths.

    PyTorch's fused kernel has fast products only for processors with matrix units (AMX).
    """
    return num_queries * num_keys >= LEAST_SCORES and prefers_blocks()


def prefers_blocks() -> bool:
    """Whether blocks are faster on this processor, for sequences that are long enough."""
    found = capabilities()
    known = found.get("architecture") == "x86_64" and not found.get("amx_bf16")
    return known and has_onednn_linear() and torch.get_num_threads() <= MAX_THREADS_FOR_BLOCKS


def attend_in_blocks(
    q: Float[Tensor, "batch heads queries dim"],
    k: Float[Tensor, "batch heads keys dim"],
    v: Float[Tensor, "batch heads keys dim"],
) -> Float[Tensor, "batch heads queries dim"]:
    """Attention by whole products: a head at a time, as many queries as the cache takes.

    Scores and their exponentials are float32 whatever comes in; the weights that multiply ``v``
    have its precision.
    """
    batch, heads, queries, dim = q.shape
    out = q.new_empty(batch, queries, heads, dim)
    rows = max(64, SCORE_BYTES // (v.element_size() * k.shape[2]))
    rows = math.ceil(queries / math.ceil(queries / rows))  # the last block is no smaller
    attend = _attend_by_sigmoid if v.dtype == torch.bfloat16 else _attend_by_softmax
    for scene in range(batch):
        for head in range(heads):
            asking = (q[scene, head] * dim**-0.5).contiguous()
            keys, values = k[scene, head].contiguous(), v[scene, head].contiguous()
            for start in range(0, queries, rows):
                block = attend(asking[start : start + rows], keys, values)
                out[scene, start : start + rows, head] = block
    return out.transpose(1, 2)


def _attend_by_sigmoid(
    asking: Float[Tensor, "rows dim"],
    keys: Float[Tensor, "keys dim"],
    values: Float[Tensor, "keys dim"],
) -> Float[Tensor, "rows dim"]:
    """Attention of queries that are scaled already, in bfloat16, without writing a score.

    Far below zero a sigmoid is an exponential, and oneDNN takes it of scores in its registers, in
    float32. The sums of the weights divide after the second product. Rows whose sum leaves a doubt
    are done again by softmax.
    """
    shift = asking.new_full((len(keys),), -SHIFT, dtype=torch.float32)
    weights = _onednn(asking, keys, shift, "sigmoid")
    # In parts, each rounded by itself: to sum in float32, PyTorch would first copy all of them.
    parts = [part.sum(-1, keepdim=True).float() for part in weights.chunk(SUMMED_PARTS, dim=-1)]
    sums = torch.stack(parts).sum(0)
    out = weights @ values / sums
    least, most = sums.aminmax()
    if not (least > LEAST_SUM and most < MOST_SUM):
        doubtful = ~((sums > LEAST_SUM) & (sums < MOST_SUM)).squeeze(1)
        out[doubtful] = _attend_by_softmax(asking[doubtful], keys, values).float()
    return out


def _attend_by_softmax(
    asking: Float[Tensor, "rows dim"],
    keys: Float[Tensor, "keys dim"],
    values: Float[Tensor, "keys dim"],
) -> Float[Tensor, "rows dim"]:
    """The same at any precision, for scores of any size."""
    scores = linear(asking.float(), keys.float(), None)
    torch.softmax(scores, dim=-1, out=scores)
    return linear(scores.to(values.dtype), values.T.contiguous(), None)
