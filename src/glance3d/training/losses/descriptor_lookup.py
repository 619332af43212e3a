"""Descriptors of a few points, gathered from large feature maps."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def bilinear_corners(
    cells: Float[Tensor, "views queries 2"], size: tuple[int, int]
) -> tuple[Int[Tensor, "views 4 queries"], Float[Tensor, "views 4 queries"]]:
    """The four cells around each (x, y), as row-major indices, and their bilinear weights.

    The first cell's centre is 0; ``size`` is (height, width); positions outside are clamped to the
    border.
    """
    height, width = size
    limit = cells.new_tensor([width - 1, height - 1])
    inside = torch.minimum(cells.clamp(min=0), limit)
    low = inside.floor()
    (fx, fy), high = (inside - low).unbind(-1), torch.minimum(low + 1, limit)
    corners = [(x, y) for y in (low[..., 1], high[..., 1]) for x in (low[..., 0], high[..., 0])]
    index = torch.stack([y * width + x for x, y in corners], 1).long()
    weights = [(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy]
    return index, torch.stack(weights, 1)


def sample_sparsely(
    maps: Float[Tensor, "views channels height width"], cells: Float[Tensor, "views queries 2"]
) -> Float[Tensor, "views queries channels"]:
    """Bilinear features at cells (x, y), the first cell's centre at 0, clamped to the border.

    The same numbers as ``F.grid_sample(..., align_corners=True, padding_mode="border")``, in
    float32 from maps of any precision. The four neighbours are gathered: for a few points on many
    large maps the gradient of that is several times cheaper.
    """
    index, weights = bilinear_corners(cells, (maps.shape[-2], maps.shape[-1]))
    index = index.flatten(1)[:, None].expand(-1, maps.shape[1], -1)
    gathered = maps.flatten(2).gather(2, index).float().unflatten(2, (4, -1))
    return torch.einsum("vckn,vkn->vnc", gathered, weights)
