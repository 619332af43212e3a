"""What decides how fast a processor is: linear layers, attention and the layout of maps.

Each has several paths, all to the numbers of the plain one, to rounding, and without gradients.
Which of them runs is tried on the machine at hand (:mod:`glance3d.nn.fast.paths`): a library that
is twice as fast as another on one processor is half as fast on the next, or not there.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from glance3d.nn.fast.operations import ATTENTION, BFLOAT16, CONVOLUTION, LINEAR, PLAIN
from glance3d.nn.fast.paths import choose
from glance3d.nn.fast.trial import Trial, example

CPU = torch.device("cpu")
# Where kinds of products begin and end: few tokens are bound by memory, small weights by overhead.
MANY_TOKENS, LARGE_WEIGHT = 64, 2**18
# Sequences of one view and of a scene, whose keys no cache holds.
SCENE_KEYS = 2048
# Scores of one head from which on blocks are faster: below, calls cost more than they compute (the
# tracker attends over a few views in hundreds of small sequences: 158 times slower by blocks).
LEAST_SCORES = 2**16
# Of one block of attention weights. It stays in the cache, and is small enough for the allocator to
# give the same memory again: larger ones come as fresh pages each time, which costs as much again.
SCORE_BYTES = 2**22
# Scores are lowered by this much before they are exponentiated. A row is trusted if its sum then
# lies in between: so small that every sigmoid was an exponential, to the precision kept, and so
# large that nothing of weight was too small for a float.
SHIFT = 40.0
LEAST_SUM, MOST_SUM = 2.0**-100, 2.0**-10
SUMMED_PARTS = 4


Linear = Callable[[Tensor, Tensor, Tensor | None, bool], Tensor]


def linear(
    x: Float[Tensor, "*batch in_dim"],
    weight: Float[Tensor, "out_dim in_dim"],
    bias: Float[Tensor, " out_dim"] | None,
    gelu: bool = False,
) -> Float[Tensor, "*batch out_dim"]:
    """``x W^T + b``, optionally through the exact GELU; float32 is true float32."""
    return LINEAR_PATHS[_path_of_linear(x, weight, gelu)](x, weight, bias, gelu)


def _path_of_linear(x: Tensor, weight: Tensor, gelu: bool) -> str:
    tokens = x.numel() // max(1, x.shape[-1])
    if tokens == 0 or weight.numel() == 0 or x.dtype != weight.dtype:
        return PLAIN
    many, large = tokens >= MANY_TOKENS, weight.numel() >= LARGE_WEIGHT
    kind = f"{'many' if many else 'few'} tokens, {'large' if large else 'small'} weight"
    kind += ", GELU" if gelu else ""
    make = partial(_linear_trial, 256 if many else 8, 1024 if large else 256, x.dtype, gelu)
    return choose(LINEAR, kind, CPU, x.dtype, make)


def _linear_trial(tokens: int, dim: int, dtype: torch.dtype, gelu: bool) -> Trial:
    x, weight = (example(rows, dim, device=CPU, dtype=dtype) for rows in (tokens, dim))
    bias = example(dim, device=CPU, dtype=dtype)
    names = [PLAIN, "onednn"]
    names += ["onednn-apart"] if gelu else []
    names += ["float32"] if dtype == torch.bfloat16 else []
    return {name: partial(LINEAR_PATHS[name], x, weight, bias, gelu) for name in names}


def _plain_linear(x: Tensor, weight: Tensor, bias: Tensor | None, gelu: bool) -> Tensor:
    out = F.linear(x, weight, bias)
    return F.gelu(out) if gelu else out


def _onednn_linear(x: Tensor, weight: Tensor, bias: Tensor | None, gelu: bool) -> Tensor:
    return _onednn(x, weight, bias, "gelu" if gelu else "none")


def _onednn_apart(x: Tensor, weight: Tensor, bias: Tensor | None, gelu: bool) -> Tensor:
    """Where oneDNN's own GELU is slower than another pass over what the product wrote."""
    out = _onednn(x, weight, bias, "none")
    return torch.ops.aten.gelu_(out) if gelu else out


def _float32_linear(x: Tensor, weight: Tensor, bias: Tensor | None, gelu: bool) -> Tensor:
    """Of bfloat16 where no unit multiplies it: many times faster, and rounded only once."""
    wide_bias = None if bias is None else bias.float()
    return linear(x.float(), weight.float(), wide_bias, gelu).to(x.dtype)


LINEAR_PATHS: dict[str, Linear] = {
    PLAIN: _plain_linear,
    "onednn": _onednn_linear,
    "onednn-apart": _onednn_apart,
    "float32": _float32_linear,
}


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None, post_op: str) -> Tensor:
    """The product and what is done to it (none, gelu, sigmoid), in float32 before it is rounded."""
    algorithm = "none" if post_op == "gelu" else ""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, post_op, [], algorithm)


def has_fast_bfloat16() -> bool:
    """Whether large products are faster in bfloat16 than in float32, each by its best path."""
    return choose(BFLOAT16, "large products", CPU, torch.float32, _bfloat16_trial) == "bfloat16"


def _bfloat16_trial() -> Trial:
    x, weight = (example(rows, 1024, device=CPU) for rows in (256, 1024))
    rounded, rounded_weight = x.bfloat16(), weight.bfloat16()
    return {
        PLAIN: lambda: linear(x, weight, None),
        "bfloat16": lambda: linear(rounded, rounded_weight, None).float(),
    }


def convolution_path(dtype: torch.dtype) -> str:
    """How maps are laid out and convolved while predicting, at this precision of the weights."""
    return choose(CONVOLUTION, "dense head", CPU, dtype, partial(_convolution_trial, dtype))


def _convolution_trial(dtype: torch.dtype) -> Trial:
    """Some of what a dense head does to one small map of tokens, which come pixel by pixel."""
    channels, rows, columns = 128, 14, 18
    tokens = example(1, rows, columns, channels, device=CPU, dtype=dtype)
    weight = example(channels, channels, 3, 3, device=CPU, dtype=dtype) / channels
    turned = example(channels, channels, 2, 2, device=CPU, dtype=dtype) / channels

    def run(path: str) -> Tensor:
        maps = tokens.permute(0, 3, 1, 2)
        maps = maps if is_channels_last(path) else maps.contiguous()
        if computes_in_float32(path):
            large = F.conv_transpose2d(maps.float(), turned.float(), stride=2).to(dtype)
            made = F.conv2d(large.float(), weight.float(), padding=1).to(dtype)
        else:
            made = F.conv2d(F.conv_transpose2d(maps, turned, stride=2), weight, padding=1)
        return F.interpolate(made, scale_factor=2, mode="bilinear", align_corners=True)

    narrow = ("float32", "channels-last-float32") if dtype == torch.bfloat16 else ()
    return {path: partial(run, path) for path in (PLAIN, "channels-last", *narrow)}


def is_channels_last(path: str) -> bool:
    """Whether a path of convolutions keeps maps pixel by pixel."""
    return path.startswith("channels-last")


def computes_in_float32(path: str) -> bool:
    """Whether a path of bfloat16 convolutions multiplies in float32."""
    return path.endswith("float32")


def attends_in_blocks(num_queries: int, num_keys: int, heads_dim: int, dtype: torch.dtype) -> bool:
    """Whether :func:`attend_in_blocks` is the faster one here, for sequences of these lengths."""
    if num_queries * num_keys < LEAST_SCORES:
        return False
    kind, keys = ("scene", 2 * SCENE_KEYS) if num_keys >= SCENE_KEYS else ("view", SCENE_KEYS // 2)
    make = partial(_attention_trial, keys, heads_dim, dtype)
    return choose(ATTENTION, f"{kind}, heads of {heads_dim}", CPU, dtype, make) == "blocks"


def _attention_trial(keys: int, dim: int, dtype: torch.dtype) -> Trial:
    """Of as many heads as there are threads: PyTorch's kernel gives each its own."""
    heads = min(16, torch.get_num_threads())
    q, k, v = (
        example(1, tokens, heads, dim, device=CPU, dtype=dtype).transpose(1, 2)
        for tokens in (512, keys, keys)
    )
    return {
        PLAIN: lambda: F.scaled_dot_product_attention(q, k, v),
        "blocks": lambda: attend_in_blocks(q, k, v),
    }


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
    # So many queries that their weights of all keys fill a block.
    rows = max(64, SCORE_BYTES // (v.element_size() * k.shape[2]))
    rows = math.ceil(queries / math.ceil(queries / rows))  # the last block is no smaller
    attend = _attend_by_sigmoid if v.dtype == torch.bfloat16 else _attend_by_softmax
    for scene in range(batch):
        for head in range(heads):
            # Queries are scaled once, so that scores need no pass of their own.
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
    # sigmoid(s - SHIFT) = e^(s - SHIFT) / (1 + e^(s - SHIFT)), whose denominator is 1 as far as
    # bfloat16 sees. The shift is the product's bias, and cancels: softmax(s) v = sum(e v) / sum(e).
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
