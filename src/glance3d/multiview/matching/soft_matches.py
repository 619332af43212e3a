"""Each cell of a view in every other view, by descriptors: a mean around the most alike cell."""

import itertools

import torch
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.multiview.matches import SoftMatches, cell_centers
from glance3d.nn.precision import autocast
from glance3d.nn.tables import cached_table

SCORES_AT_A_TIME = 2**25  # of all cells of some views with those of one; three copies are in flight


@torch.no_grad()
def find_matches(
    descriptors: Float[Tensor, "batch views cells dim"],
    grid: tuple[int, int],
    inverse_temperature: Float[Tensor, ""],
    dustbin_score: Float[Tensor, ""],
    radius: int = 2,
) -> SoftMatches:
    """Soft matches of unit descriptors, view by view, without gradients, in float32.

    Each cell is compared with all cells of another view: a softmax of ``inverse_temperature`` times
    the cosine, with one more entry ``dustbin_score`` for not being there. The place is the mean
    over the (2 radius + 1)^2 cells around the best one, which is finer than a cell and blind to
    what resembles the cell elsewhere; ``window_probability`` is what those cells have of the
    softmax. ``grid`` is (rows, columns).
    """
    with autocast(descriptors, enabled=False):
        return _find_matches(descriptors.float(), grid, inverse_temperature, dustbin_score, radius)


def _find_matches(
    descriptors: Float[Tensor, "batch views cells dim"],
    grid: tuple[int, int],
    inverse_temperature: Float[Tensor, ""],
    dustbin_score: Float[Tensor, ""],
    radius: int,
) -> SoftMatches:
    batch, num_views, cells = descriptors.shape[:3]
    others = descriptors.transpose(-1, -2)
    # Made once: what is kept between the views' scores would break their memory into pieces.
    target_xy = descriptors.new_empty((batch, num_views, num_views, cells, 2))
    probability, tops, totals = (torch.empty_like(target_xy[..., 0]) for _ in range(3))
    bests = torch.empty_like(tops, dtype=torch.long)
    step = max(1, SCORES_AT_A_TIME // (batch * cells**2))
    for view, start in itertools.product(range(num_views), range(0, num_views, step)):
        pairs = (slice(None), view, slice(start, start + step))
        # scores[b, w, i, j]: cell i of this view against cell j of view w.
        scores = inverse_temperature * (descriptors[:, view, None] @ others[:, pairs[2]])
        tops[pairs], bests[pairs] = scores.max(-1)
        target_xy[pairs], log_mass = windowed_soft_argmax(scores, bests[pairs], grid, radius)
        # A cosine is at most 1, so no score is above the inverse temperature: a softmax needs no
        # other bound, and works in place.
        summed = scores.sub_(inverse_temperature).exp_().sum(-1)
        totals[pairs] = torch.logaddexp(summed.log() + inverse_temperature, dustbin_score)
        # The share of the window in the softmax over all cells and the dustbin.
        probability[pairs] = (log_mass - totals[pairs]).exp()
    # totals[b, w, v, j]: the softmax of cell j of w over view v, made in the other direction.
    total_of_best = totals.transpose(1, 2).gather(-1, bests)
    # exp(score) over the sum of the other direction: how likely j is to choose i.
    mutual = (tops - total_of_best).exp()
    source_xy = cell_centers(grid, descriptors.device).expand_as(target_xy)
    return SoftMatches(source_xy, target_xy, probability, mutual)


def windowed_soft_argmax(
    scores: Float[Tensor, "*cells targets"],
    best: Int[Tensor, "*cells"],
    grid: tuple[int, int],
    radius: int,
) -> tuple[Float[Tensor, "*cells 2"], Float[Tensor, "*cells"]]:
    """Mean (x, y) and log mass, by the softmax of the scores, of the window about the best."""
    rows, columns = grid
    dx, dy = _window_offsets(radius, scores.device)
    x = (best % columns)[..., None] + dx
    y = torch.div(best, columns, rounding_mode="floor")[..., None] + dy
    exists = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
    index = y.clamp(0, rows - 1) * columns + x.clamp(0, columns - 1)
    window = torch.where(exists, scores.gather(-1, index), -torch.inf)
    weights = window.softmax(-1)
    mean = torch.stack([(weights * x).sum(-1), (weights * y).sum(-1)], -1)
    return mean, window.logsumexp(-1)


@cached_table
def _window_offsets(radius: int, device: torch.device) -> tuple[Tensor, Tensor]:
    steps = torch.arange(-radius, radius + 1, device=device)
    dy, dx = torch.meshgrid(steps, steps, indexing="ij")
    return dx.flatten(), dy.flatten()
