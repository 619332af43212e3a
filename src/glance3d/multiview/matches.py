"""From descriptors of the cells of all views to where each cell is in every other view."""

import itertools
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.nn.tables import cached_table

SCORES_AT_A_TIME = 2**25  # of all cells of some views with those of one; three copies are in flight


class SoftMatches(NamedTuple):
    """For cells of view ``v``, their places in view ``w``; ``[b, v, v]`` says nothing.

    ``own`` is where the cells are on their grid, ``position`` where they are in the other view:
    (x, y), the first cell's centre at 0. ``inside`` is the
    probability that the cell is seen around there, ``mutual`` the probability that the best cell
    gives back among the cells of view ``v``.
    """

    own: Float[Tensor, "batch own views cells 2"]
    position: Float[Tensor, "batch own views cells 2"]
    inside: Float[Tensor, "batch own views cells"]
    mutual: Float[Tensor, "batch own views cells"]

    def of_views(self, start: int, stop: int) -> "SoftMatches":
        """Those of the cells of some views, in all views."""
        return SoftMatches(*(part[:, start:stop] for part in self))

    def best(self, number: int) -> "SoftMatches":
        """Of each two views, at most so many: the surest."""
        if self.inside.shape[-1] <= number:
            return self
        index = (self.inside * self.mutual).topk(number, -1).indices
        places = index[..., None].expand(*index.shape, 2)
        return SoftMatches(
            self.own.gather(-2, places),
            self.position.gather(-2, places),
            self.inside.gather(-1, index),
            self.mutual.gather(-1, index),
        )


class PairEstimates(NamedTuple):
    """What is known of each cell against each other view, and of each pair of views.

    ``weight`` is how far a cell's match may be trusted, 0 to 1 (0 against its own view).
    ``trust`` is how much of a pair's matches is believed and fits, 0 to 1 (0 against itself).
    ``pose_enc`` is each pair's own guess: translation direction (of any length), quaternion x y z w
    of ``camw_from_camv``, and the field of view (vertical, horizontal) of view ``v``.
    ``inlier_logits`` say which matches are believed to be right.
    """

    weight: Float[Tensor, "batch own views cells"]
    trust: Float[Tensor, "batch own views"]
    pose_enc: Float[Tensor, "batch own views 9"]
    inlier_logits: Float[Tensor, "batch own views cells"]


class Descriptors(NamedTuple):
    """A unit vector for each cell, row by row on ``grid``; how sharply they are told apart.

    ``unseen`` is the score of not being in a view at all.
    """

    descriptors: Float[Tensor, "batch views cells dim"]
    grid: tuple[int, int]
    sharpness: Float[Tensor, ""]
    unseen: Float[Tensor, ""]


class Correspondence(NamedTuple):
    """The cells, their matches in all other views, and what those say of each two views."""

    described: Descriptors
    matches: SoftMatches
    relations: PairEstimates

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the cells."""
        return self.described.grid


@torch.no_grad()
def find_matches(
    descriptors: Float[Tensor, "batch views cells dim"],
    grid: tuple[int, int],
    sharpness: Float[Tensor, ""],
    unseen: Float[Tensor, ""],
    radius: int = 2,
) -> SoftMatches:
    """Soft matches of unit descriptors, view by view, without gradients, in float32.

    Each cell is compared with all cells of another view: a softmax of ``sharpness`` times the
    cosine, with one more entry ``unseen`` for not being there. The position is the mean over the
    (2 radius + 1)^2 cells around the best one, which is finer than a cell and blind to what
    resembles the cell elsewhere; ``inside`` is what those cells have of the softmax. ``grid`` is
    (rows, columns).
    """
    with torch.autocast(descriptors.device.type, enabled=False):
        return _find_matches(descriptors.float(), grid, sharpness, unseen, radius)


def _find_matches(
    descriptors: Float[Tensor, "batch views cells dim"],
    grid: tuple[int, int],
    sharpness: Float[Tensor, ""],
    unseen: Float[Tensor, ""],
    radius: int,
) -> SoftMatches:
    batch, num_views, cells = descriptors.shape[:3]
    others = descriptors.transpose(-1, -2)
    # Made once: what is kept between the views' scores would break their memory into pieces.
    position = descriptors.new_empty((batch, num_views, num_views, cells, 2))
    inside, tops, totals = (torch.empty_like(position[..., 0]) for _ in range(3))
    bests = torch.empty_like(tops, dtype=torch.long)
    step = max(1, SCORES_AT_A_TIME // (batch * cells**2))
    for view, start in itertools.product(range(num_views), range(0, num_views, step)):
        pairs = (slice(None), view, slice(start, start + step))
        scores = sharpness * (descriptors[:, view, None] @ others[:, pairs[2]])
        tops[pairs], bests[pairs] = scores.max(-1)
        position[pairs], mass = around_best(scores, bests[pairs], grid, radius)
        # No score is above the sharpness: a softmax needs no other bound, and works in place.
        summed = scores.sub_(sharpness).exp_().sum(-1)
        totals[pairs] = torch.logaddexp(summed.log() + sharpness, unseen)
        inside[pairs] = (mass - totals[pairs]).exp()
    # The softmax of the best cell over this view is the one already made in the other direction.
    back = totals.transpose(1, 2).gather(-1, bests)
    mutual = (tops - back).exp()
    own = cell_positions(grid, descriptors.device).expand_as(position)
    return SoftMatches(own, position, inside, mutual)


def around_best(
    scores: Float[Tensor, "*cells targets"],
    best: Int[Tensor, "*cells"],
    grid: tuple[int, int],
    radius: int,
) -> tuple[Float[Tensor, "*cells 2"], Float[Tensor, "*cells"]]:
    """Mean position and log mass, by the softmax of the scores, of the window about the best."""
    rows, columns = grid
    dx, dy = _window_offsets(radius, scores.device)
    x = (best % columns)[..., None] + dx
    y = torch.div(best, columns, rounding_mode="floor")[..., None] + dy
    exists = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
    index = y.clamp(0, rows - 1) * columns + x.clamp(0, columns - 1)
    window = torch.where(exists, scores.gather(-1, index), -torch.inf)
    weights = window.softmax(-1)
    position = torch.stack([(weights * x).sum(-1), (weights * y).sum(-1)], -1)
    return position, window.logsumexp(-1)


@cached_table
def _window_offsets(radius: int, device: torch.device) -> tuple[Tensor, Tensor]:
    steps = torch.arange(-radius, radius + 1, device=device)
    dy, dx = torch.meshgrid(steps, steps, indexing="ij")
    return dx.flatten(), dy.flatten()


@cached_table
def cell_positions(grid: tuple[int, int], device: torch.device) -> Float[Tensor, "cells 2"]:
    """(x, y) of every cell on the grid (rows, columns), row by row, the first one at 0."""
    y, x = torch.meshgrid(
        torch.arange(grid[0], device=device, dtype=torch.float32),
        torch.arange(grid[1], device=device, dtype=torch.float32),
        indexing="ij",
    )
    return torch.stack([x, y], -1).flatten(0, 1)


def grid_to_unit(
    position: Float[Tensor, "*shape 2"], grid: tuple[int, int]
) -> Float[Tensor, "*shape 2"]:
    """Positions about the image's centre, in half diagonals; cells are square."""
    rows, columns = grid
    centered = torch.stack(
        [position[..., 0] - (columns - 1) / 2, position[..., 1] - (rows - 1) / 2], -1
    )
    return centered / half_diagonal(grid)


def half_diagonal(size: tuple[int, int]) -> float:
    """Of (rows, columns) or (height, width), in the same unit."""
    return (size[0] ** 2 + size[1] ** 2) ** 0.5 / 2
