"""What the tracker measures: features, local correlations, and codes of motion and place."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from glance3d.nn.sampling import sample_bilinear

QUERIES_PER_CHUNK = 256  # bounds the sampled windows in memory; the numbers do not depend on it


def build_pyramid(
    maps: Float[Tensor, "batch views channels height width"], num_levels: int
) -> list[Float[Tensor, "batch views channels _h _w"]]:
    """The maps and their successive 2x2 averages; an odd last row or column is dropped."""
    pyramid = [maps]
    for _ in range(num_levels - 1):
        pooled = F.avg_pool2d(pyramid[-1].flatten(0, 1), 2)
        pyramid.append(pooled.unflatten(0, maps.shape[:2]))
    return pyramid


def correlate(
    pyramid: list[Float[Tensor, "batch views channels _h _w"]],
    coords: Float[Tensor, "batch views queries 2"],
    features: Float[Tensor, "batch views queries channels"],
    radius: int,
) -> Float[Tensor, "batch views queries levels_window"]:
    """Dot products of each track's feature with a window around its position, at every level.

    The window's first axis moves x. Sampling the map first and multiplying after needs no volume
    of correlations over the whole map.
    """
    steps = torch.arange(-radius, radius + 1, device=coords.device, dtype=coords.dtype)
    window = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), -1).flatten(0, 1)
    chunks = []
    for start in range(0, coords.shape[2], QUERIES_PER_CHUNK):
        chosen = slice(start, start + QUERIES_PER_CHUNK)
        points, vectors = coords[:, :, chosen].flatten(0, 1), features[:, :, chosen].flatten(0, 1)
        levels = []
        for level, maps in enumerate(pyramid):
            # A window of the same number of cells at every level sees twice as far at the next.
            around = (points / 2**level)[:, :, None] + window
            sampled = sample_bilinear(maps.flatten(0, 1), around, padding="zeros")
            levels.append(torch.einsum("nqwc,nqc->nqw", sampled, vectors))
        chunks.append(torch.cat(levels, dim=-1))
    return torch.cat(chunks, dim=1).unflatten(0, coords.shape[:2])


def embed_flow(
    flow: Float[Tensor, "*tracks 2"], latent_dim: int, flow_scale: float
) -> Float[Tensor, "*tracks code"]:
    """Sines and cosines, interleaved, of x's motion then y's, then the scaled motion twice."""
    per_axis = latent_dim // 2
    steps = torch.arange(0, per_axis, 2, device=flow.device, dtype=torch.float32)
    # Frequencies grow linearly here; those of positions fall geometrically.
    angles = flow[..., None] * (steps * (1000.0 / per_axis))
    waves = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-3)
    scaled = flow / flow_scale
    return torch.cat([waves, scaled, scaled], dim=-1)


def embed_query_positions(
    queries: Float[Tensor, "batch queries 2"], map_size: torch.Size | tuple[int, int], dim: int
) -> Float[Tensor, "batch queries dim"]:
    """Sinusoidal code of where a query is: x in the first half, y in the second.

    The code is a table over whole pixels, interpolated at the query. It is separable, so that
    interpolating along each axis alone gives what interpolating the two-dimensional table gives.
    """
    height, width = map_size
    codes = [_interpolate_code(queries[..., 0], width, dim // 2)]
    codes.append(_interpolate_code(queries[..., 1], height, dim // 2))
    return torch.cat(codes, dim=-1)


def _interpolate_code(
    position: Float[Tensor, "*queries"], count: int, dim: int
) -> Float[Tensor, "*queries dim"]:
    quarter = dim // 2
    exponents = torch.arange(quarter, device=position.device, dtype=torch.float64) / quarter
    pixels = torch.arange(count, device=position.device, dtype=torch.float64)
    angles = pixels[:, None] * 10000.0**-exponents
    table = torch.cat([angles.sin(), angles.cos()], dim=-1).float()
    inside = position.clamp(0, count - 1)
    low = inside.floor().long().clamp(max=max(count - 2, 0))
    high = (low + 1).clamp(max=count - 1)
    weight = (inside - low).unsqueeze(-1)
    return table[low] * (1 - weight) + table[high] * weight
