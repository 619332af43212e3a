"""One descriptor a photo, pooled from the tokens of its patches.

Second-order pooling: what is kept is which directions occur together in a photo's tokens, not only
their mean (Carreira et al., "Semantic segmentation with second-order pooling", ECCV 2012), with
signed square roots, which tame what covers much of a photo (Perronnin et al., ECCV 2010). Measured
against means, generalised means, VLAD and words: ``python -m benchmarks.retrieval``.
"""

from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

# Tokens are projected to at most so many channels: a descriptor has half the square of it.
_CHANNELS = 96


def pool_tokens(
    tokens: Float[Tensor, "photos patches dim"], weights: Float[Tensor, "photos patches"]
) -> Float[Tensor, "photos pooled"]:
    """Unit vectors, as long as ``weights`` (0 to 1, 0 for a patch that does not count) say.

    A photo without any weight is pooled over all of its patches.
    """
    unit = F.normalize(tokens.float(), dim=-1)
    if unit.shape[-1] > _CHANNELS:
        unit = unit @ _projection(unit.shape[-1]).to(unit.device)
    total = weights.sum(-1, keepdim=True)
    shares = torch.where(total > 0, weights / total.clamp(min=1e-12), 1 / weights.shape[-1])
    moments = (unit * shares[..., None]).mT @ unit
    rows, columns = torch.triu_indices(*moments.shape[-2:], device=moments.device)
    # Off the diagonal every product occurs twice.
    pooled = moments[:, rows, columns] * torch.where(rows == columns, 1.0, 2**0.5)
    return F.normalize(pooled.sign() * pooled.abs().sqrt(), dim=-1)


@cache
def _projection(dim: int) -> Float[Tensor, "dim channels"]:
    """Orthonormal columns, the same every time up to their signs, which nothing depends on."""
    random = torch.randn(dim, _CHANNELS, generator=torch.Generator().manual_seed(0))
    return torch.linalg.qr(random).Q


def patch_weights(
    usable: Float[Tensor, "views height width"], grid: tuple[int, int]
) -> Float[Tensor, "views patches"]:
    """Which share of every patch of a grid (rows, columns) is usable, row by row."""
    return F.adaptive_avg_pool2d(usable[:, None], grid).flatten(1)
