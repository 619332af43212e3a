"""Descriptors of a few points, read from large feature maps without walking over them."""

import torch
from jaxtyping import Float
from torch import Tensor


def sample_sparsely(
    maps: Float[Tensor, "views channels height width"], cells: Float[Tensor, "views queries 2"]
) -> Float[Tensor, "views queries channels"]:
    """Bilinear features at cells (x, y), the first cell's centre being 0; the border's beyond it.

    The same numbers as ``F.grid_sample(..., align_corners=True, padding_mode="border")``, in
    float32 from maps of any precision, by gathering the four neighbours: for a few points on many
    large maps its gradient is several times cheaper.
    """
    height, width = maps.shape[-2:]
    limit = cells.new_tensor([width - 1, height - 1])
    inside = torch.minimum(cells.clamp(min=0), limit)
    low = inside.floor()
    fraction = inside - low
    high = torch.minimum(low + 1, limit)
    corners = [(x, y) for y in (low[..., 1], high[..., 1]) for x in (low[..., 0], high[..., 0])]
    index = torch.stack([y * width + x for x, y in corners], 1).long().flatten(1)
    index = index[:, None].expand(-1, maps.shape[1], -1)
    gathered = maps.flatten(2).gather(2, index).float().unflatten(2, (4, -1))
    fx, fy = fraction.unbind(-1)
    weights = [(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy]
    return torch.einsum("vckn,vkn->vnc", gathered, torch.stack(weights, 1))
