"""Attention with the logarithm of each query's sum, by which attentions to parts are merged."""

import torch
from jaxtyping import Float
from torch import Tensor

_SCORES_AT_ONCE = 2**24  # of the plain products, all heads together


def attend_with_log_sum(
    q: Float[Tensor, "batch heads queries dim"],
    k: Float[Tensor, "batch heads keys dim"],
    v: Float[Tensor, "batch heads keys dim"],
) -> tuple[Float[Tensor, "batch heads queries dim"], Float[Tensor, "batch heads queries"]]:
    """Attention, and the logarithm of each query's sum of exponentials of scores, in float32."""
    operations = torch.ops.aten
    if v.device.type == "cpu":
        return operations._scaled_dot_product_flash_attention_for_cpu(q, k, v)
    if v.device.type == "cuda" and v.dtype in (torch.bfloat16, torch.float16):
        return operations._scaled_dot_product_flash_attention(q, k, v)[:2]
    return plain_attention_with_log_sum(q, k, v)


def plain_attention_with_log_sum(
    q: Float[Tensor, "batch heads queries dim"],
    k: Float[Tensor, "batch heads keys dim"],
    v: Float[Tensor, "batch heads keys dim"],
) -> tuple[Float[Tensor, "batch heads queries dim"], Float[Tensor, "batch heads queries"]]:
    """The same by whole products, for some queries at a time."""
    rows = max(1, _SCORES_AT_ONCE // (q.shape[0] * q.shape[1] * k.shape[2]))
    parts, sums = [], []
    for asking in q.split(rows, dim=2):
        scores = ((asking * q.shape[-1] ** -0.5) @ k.mT).float()
        sums.append(scores.logsumexp(-1))
        parts.append((scores - sums[-1][..., None]).exp().to(v.dtype) @ v)
    return torch.cat(parts, 2), torch.cat(sums, 2)
