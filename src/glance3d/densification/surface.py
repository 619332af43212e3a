"""From a volume of scores to one surface: smoothed, best plane, sub-plane, then finer."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from glance3d.densification.smoothing import smooth_costs
from glance3d.densification.sweep import Matcher

#: What paths pay in scores (see :func:`smooth_costs`), and the grey step that halves it.
_SMALL_STEP, _LARGE_STEP, _EDGE = 0.06, 0.5, 0.04
#: How far from a depth edge, in pixels, a window may have spread the wrong surface.
_EDGE_REACH = 4


def sweep_surface(matcher: Matcher, guide: Tensor, planes: Float[Tensor, " planes"]) -> Tensor:
    """Inverse depth of the surface through a sweep over even ``planes`` that costs least."""
    costs = matcher.volume(planes).neg_()
    smooth = smooth_costs(costs, guide, _SMALL_STEP, _LARGE_STEP, _EDGE)
    best = smooth.argmin(-1, keepdim=True)
    offset = parabola_offset(*_around(smooth, best))
    return planes[best[..., 0]] + offset * (planes[1] - planes[0])


def _around(costs: Tensor, best: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    last = costs.shape[-1] - 1
    before, at, after = (
        costs.gather(-1, (best + step).clamp(0, last))[..., 0] for step in (-1, 0, 1)
    )
    return before, at, after


def parabola_offset(before: Tensor, at: Tensor, after: Tensor) -> Tensor:
    """Where between -0.5 and 0.5 the parabola through three costs is lowest; 0 where it is not."""
    bend = before + after - 2 * at
    offset = (before - after) / (2 * bend.clamp(min=1e-9))
    return torch.where(bend > 1e-9, offset.clamp(-0.5, 0.5), 0.0)


def sharpen_edges(
    matcher: Matcher, inverse_depth: Float[Tensor, "height width"], jump: float
) -> Float[Tensor, "height width"]:
    """Near depth edges the better of three surfaces: the pixel's own, the nearer and the farther.

    The latter two are the nearest and farthest inverse depth a few pixels around, where they differ
    by more than ``jump``: windows spread the better textured surface over the edge.
    """
    size, padding = 2 * _EDGE_REACH + 1, _EDGE_REACH
    nearer = max_pool2d(inverse_depth[None, None], size, 1, padding)[0, 0]
    farther = -max_pool2d(-inverse_depth[None, None], size, 1, padding)[0, 0]
    surfaces = torch.stack([inverse_depth, nearer, farther])
    best = torch.cat([matcher.scores(surface[None]) for surface in surfaces]).argmax(0)
    best = torch.where(nearer - farther > jump, best, 0)
    return surfaces.gather(0, best[None])[0]


def refine_surface(
    matcher: Matcher, inverse_depth: Float[Tensor, "height width"], step: float, reach: int
) -> tuple[Float[Tensor, "height width"], Float[Tensor, "height width"]]:
    """Inverse depth within ``reach`` steps that scores best, between steps too, and its score.

    All pixels move together, so that windows follow the surface's slope: no plane is assumed.
    """
    steps = torch.arange(-reach, reach + 1)
    offsets = (steps * step).tolist()
    scores = torch.cat([matcher.scores((inverse_depth + offset)[None]) for offset in offsets])
    score, best = scores.max(0, keepdim=True)
    costs = -scores.permute(1, 2, 0)
    offset = parabola_offset(*_around(costs, best[0, ..., None]))
    moved = (best[0] - reach + offset) * step
    return inverse_depth + moved, score[0]


def median_of_nine(values: Float[Tensor, "height width"]) -> Float[Tensor, "height width"]:
    """The median of each pixel and its eight neighbours."""
    height, width = values.shape
    padded = pad(values[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    around = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return torch.stack(around).median(0).values
