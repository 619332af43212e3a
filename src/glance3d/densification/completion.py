"""Depth where the photos say nothing: the network's, carried to the measured surface around it."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from glance3d.geometry.filter import usable_depth

#: Measured pixels, as a share of all, whose word counts for half where nothing was measured.
_HALF_BELIEVED = 0.01


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
