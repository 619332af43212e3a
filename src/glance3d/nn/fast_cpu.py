"""The two products that decide how fast a processor is: linear layers and attention.

Both give the numbers of what they replace, to rounding, and keep no gradients. PyTorch's own choice
is often another library's kernel, which on some processors runs at half the speed of oneDNN's.
"""

import functools

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

# Scores of one head from which on blocks are faster: below, calls cost more than they compute (the
# tracker attends over a few views in hundreds of small sequences: 158 times slower by blocks).
LEAST_SCORES = 2**16
# Of one block of attention scores. It stays in the cache, and is small enough for the allocator to
# give the same memory again: larger ones come as fresh pages each time, which costs as much again.
SCORE_BYTES = 2**22
MAX_THREADS_FOR_BLOCKS = 16  # beyond this one head's block is too little work to share


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
    x, weight = torch.linspace(-1, 1, 6).view(2, 3), torch.linspace(-1, 1, 12).view(4, 3)
    try:
        found = _onednn(x, weight, None, gelu=True)
    except (AttributeError, RuntimeError, NotImplementedError):
        return False
    return torch.allclose(found, F.gelu(x @ weight.T), atol=1e-6)


def linear(
    x: Float[Tensor, "*batch in_dim"],
    weight: Float[Tensor, "out_dim in_dim"],
    bias: Float[Tensor, " out_dim"] | None,
    gelu: bool = False,
) -> Float[Tensor, "*batch out_dim"]:
    """``x W^T + b``, optionally through the exact GELU; float32 is true float32."""
    if has_onednn_linear():
        return _onednn(x, weight, bias, gelu)
    out = F.linear(x, weight, bias)
    return F.gelu(out) if gelu else out


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None, gelu: bool) -> Tensor:
    kind, algorithm = ("gelu", "none") if gelu else ("none", "")
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, kind, [], algorithm)


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

    Scores and softmax are float32 whatever comes in; the weights that multiply ``v`` have its
    precision.
    """
    batch, heads, queries, dim = q.shape
    out = q.new_empty(batch, queries, heads, dim)
    rows = max(64, SCORE_BYTES // (4 * k.shape[2]))
    for scene in range(batch):
        for head in range(heads):
            keys = k[scene, head].float().contiguous()
            values = v[scene, head].T.contiguous()
            asking = q[scene, head].float() * dim**-0.5
            for start in range(0, queries, rows):
                scores = linear(asking[start : start + rows], keys, None)
                torch.softmax(scores, dim=-1, out=scores)
                block = linear(scores.to(v.dtype), values, None)
                out[scene, start : start + rows, head] = block
    return out.transpose(1, 2)
