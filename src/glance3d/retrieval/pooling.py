"""One descriptor a photo, pooled from those of its cells."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def pool_cells(
    cells: Float[Tensor, "photos cells dim"], weights: Float[Tensor, "photos cells"]
) -> Float[Tensor, "photos dim"]:
    """Unit vectors: the weighted mean of the cells; ``weights`` are 0 to 1, 0 for no cell at all.

    A photo without any weight is pooled over all of its cells.
    """
    total = weights.sum(-1, keepdim=True)
    shares = torch.where(total > 0, weights / total.clamp(min=1e-12), 1 / weights.shape[-1])
    return F.normalize((cells.float() * shares[..., None]).sum(1), dim=-1)


def cell_weights(
    usable: Float[Tensor, "views height width"], grid: tuple[int, int]
) -> Float[Tensor, "views cells"]:
    """Which share of every cell of a grid (rows, columns) is usable, row by row."""
    return F.adaptive_avg_pool2d(usable[:, None], grid).flatten(1)
