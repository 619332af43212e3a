"""Depth where the photos say nothing: the network's, carried to the measured surface around it."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, interpolate

from glance3d.geometry.cameras import pixel_grid
from glance3d.geometry.filter import usable_depth
from glance3d.types import Placement

#: Measured pixels, as a share of all, whose word counts for half where nothing was measured.
_HALF_BELIEVED = 0.01


def resample_map(
    values: Float[Tensor, "_height _width"],
    source: Placement,
    target: Placement,
    mode: str = "bilinear",
) -> Float[Tensor, "height width"]:
    """A map on the grid of ``source`` on that of ``target``, two grids of one photo."""
    width, height = target.processed_size
    pixels = source.to_processed(target.to_original(pixel_grid(height, width).flatten(0, 1)))
    size = pixels.new_tensor(source.processed_size)
    positions = (pixels * 2 / size - 1).view(1, height, width, 2)
    sampled = grid_sample(
        values[None, None], positions, mode=mode, padding_mode="border", align_corners=False
    )
    return sampled[0, 0]


def resample_known(
    values: Float[Tensor, "_height _width"],
    known: Bool[Tensor, "_height _width"],
    source: Placement,
    target: Placement,
) -> Float[Tensor, "height width"]:
    """As :func:`resample_map`, of what is known alone: nothing unknown is mixed in.

    0 where nothing known is near.
    """
    weight = resample_map(known.to(values.dtype), source, target)
    sums = resample_map(torch.where(known, values, 0), source, target)
    return torch.where(weight > 0, sums / weight.clamp(min=1e-6), 0)


def complete_depth(
    measured: Float[Tensor, "height width"],
    kept: Bool[Tensor, "height width"],
    guess: Float[Tensor, "height width"] | None,
) -> Float[Tensor, "height width"]:
    """``measured`` where ``kept``; elsewhere ``guess`` times what the measured pixels near ask for.

    The factor (measured over guessed) is spread smoothly from the kept pixels, so that the guess
    keeps its shape and meets the measured surface; the fewer they are, the less of it is believed
    elsewhere. Without a guess depth itself is spread. Where nothing is kept the guess stays as it
    is (0 without one).
    """
    usable = torch.ones_like(kept) if guess is None else usable_depth(guess)
    base = torch.ones_like(measured) if guess is None else torch.where(usable, guess, 1.0)
    known = kept & usable
    if not known.any():
        return torch.where(kept, measured, 0.0 if guess is None else guess)
    ratio = torch.where(known, measured / base, 1.0).log()
    share = float(known.float().mean())
    belief = 1.0 if guess is None else share / (share + _HALF_BELIEVED)
    spread = base * (belief * _spread(ratio, known.float())).exp()
    return torch.where(kept, measured, torch.where(usable, spread, 0.0))


def _spread(
    values: Float[Tensor, "height width"], weight: Float[Tensor, "height width"]
) -> Float[Tensor, "height width"]:
    """Values where the weight is 1, smoothly continued where it is 0 (a pull-push pyramid).

    A lone pixel loses half its weight from level to level, so that it cannot outshout a surface.
    """
    height, width = values.shape
    if height == 1 and width == 1:
        return values
    mass = _halved(weight)
    mean = _halved(values * weight) / mass.clamp(min=1e-6)
    coarse = _spread(mean, (2 * mass).clamp(max=1))
    around = interpolate(coarse[None, None], (height, width), mode="bilinear", align_corners=False)
    return torch.lerp(around[0, 0], values, weight)


def _halved(grid: Float[Tensor, "height width"]) -> Float[Tensor, "rows columns"]:
    return avg_pool2d(grid[None, None], 2, ceil_mode=True, count_include_pad=False)[0, 0]
