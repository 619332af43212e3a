"""Matches of views as nouns: where each cell of a view is in the others, and the best of each pair.

A cell is a pixel of a coarse grid on the image; its place is (x, y), the first cell's centre at 0.
Solvers take places in half diagonals of the image about its centre (suffix ``_hd``), so that
tolerances and focal lengths mean the same at every size and shape of a photo.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from glance3d.multiview.options import MultiviewOptions
from glance3d.nn.tables import cached_table


class SoftMatches(NamedTuple):
    """For cells of view ``v``, their places in view ``w``; ``[b, v, v]`` means nothing.

    ``source_xy`` is where the cells are on their own grid, ``target_xy`` where they are in the
    other view. ``window_probability`` is the probability that the cell is seen around there,
    ``mutual`` the probability that the best cell matches back among the cells of view ``v``.
    """

    source_xy: Float[Tensor, "batch own views cells 2"]
    target_xy: Float[Tensor, "batch own views cells 2"]
    window_probability: Float[Tensor, "batch own views cells"]
    mutual: Float[Tensor, "batch own views cells"]

    def of_views(self, start: int, stop: int) -> "SoftMatches":
        """Those of the cells of some views, in all views."""
        return SoftMatches(*(part[:, start:stop] for part in self))

    def best(self, number: int) -> "SoftMatches":
        """Of each two views, at most so many: the surest."""
        if self.mutual.shape[-1] <= number:
            return self
        index = (self.window_probability * self.mutual).topk(number, -1).indices
        index_xy = index[..., None].expand(*index.shape, 2)
        return SoftMatches(
            self.source_xy.gather(-2, index_xy),
            self.target_xy.gather(-2, index_xy),
            self.window_probability.gather(-1, index),
            self.mutual.gather(-1, index),
        )


class PairEstimates(NamedTuple):
    """What is known of each cell against each other view, and of each pair of views.

    As :class:`SoftMatches` of all pairs, or of chosen ones: see :class:`Correspondence`.
    ``weight`` is how far a cell's match may be trusted, 0 to 1 (0 against its own view).
    ``trust`` is how much of a pair's matches is believed and fits, 0 to 1 (0 against itself).
    ``pose_enc`` is each pair's own estimate: translation direction (of any length), quaternion
    x y z w of ``camw_from_camv``, and the field of view (vertical, horizontal) of view ``v``.
    ``inlier_logits`` say which matches are believed to be right.
    """

    weight: Float[Tensor, "batch own views cells"]
    trust: Float[Tensor, "batch own views"]
    pose_enc: Float[Tensor, "batch own views 9"]
    inlier_logits: Float[Tensor, "batch own views cells"]


class Descriptors(NamedTuple):
    """A unit vector for each cell, row by row on ``grid``, and the parameters of its scores.

    Scores are ``inverse_temperature`` times the cosine of two descriptors; ``dustbin_score`` is
    the score of not being in a view at all (SuperGlue, Sarlin et al. 2020).
    """

    descriptors: Float[Tensor, "batch views cells dim"]
    grid: tuple[int, int]
    inverse_temperature: Float[Tensor, ""]
    dustbin_score: Float[Tensor, ""]


class PairPoses(NamedTuple):
    """Of each two views, how far :class:`PairEstimates` are trusted, and the pose; 0 if unknown."""

    trust: Float[Tensor, "batch views views"]
    pose_enc: Float[Tensor, "batch views views 9"]


class ChosenPairs(NamedTuple):
    """The pairs of views that were matched, of many views; the first view is before the second."""

    first: Int[Tensor, "batch pairs"]
    second: Int[Tensor, "batch pairs"]

    def as_square(
        self, of_pairs: Shaped[Tensor, "batch 2 pairs *shape"], num_views: int
    ) -> Shaped[Tensor, "batch views views *shape"]:
        """What belongs to [first, second], then to [second, first]; zero for all other pairs."""
        batch, _, _, *shape = of_pairs.shape
        scene = torch.arange(batch, device=self.first.device)[:, None]
        square = of_pairs.new_zeros((batch, num_views, num_views, *shape))
        square[scene, self.first, self.second] = of_pairs[:, 0]
        square[scene, self.second, self.first] = of_pairs[:, 1]
        return square


class Correspondence(NamedTuple):
    """The cells, their matches in other views, and what those say of each two views.

    ``[b, v, w]`` is of the cells of view ``v`` in view ``w``. Of many views only ``pairs`` are
    matched: then ``[b, 0, p]`` is of the cells of a pair's first view, ``[b, 1, p]`` of its second,
    and ``likeness`` is what they were chosen by.
    """

    described: Descriptors
    matches: SoftMatches
    pair_estimates: PairEstimates
    pairs: ChosenPairs | None = None
    likeness: Float[Tensor, "batch views views"] | None = None

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the cells."""
        return self.described.grid

    @property
    def num_views(self) -> int:
        """How many views there are."""
        return self.described.descriptors.shape[1]

    def pair_poses(self) -> PairPoses:
        """What the estimates say of poses, of each two views."""
        poses = PairPoses(self.pair_estimates.trust, self.pair_estimates.pose_enc)
        if self.pairs is None:
            return poses
        return PairPoses(*(self.pairs.as_square(part, self.num_views) for part in poses))


class ViewPairMatches(NamedTuple):
    """The best matches of some pairs of views, matched from either side.

    ``first`` and ``second`` are views. ``first_hd`` are places in the first view, ``second_hd`` in
    the second, (x, y) in half diagonals about the image's centre; ``weight`` sums to one over a
    pair. ``amount``, 0 to 1, is how much of the views is matched.
    """

    first: Int[Tensor, "batch pairs"]
    second: Int[Tensor, "batch pairs"]
    first_hd: Float[Tensor, "batch pairs matches 2"]
    second_hd: Float[Tensor, "batch pairs matches 2"]
    weight: Float[Tensor, "batch pairs matches"]
    amount: Float[Tensor, "batch pairs"]

    def best(self, number: int) -> "ViewPairMatches":
        """The pairs that share most; all pairs are in this order."""
        return ViewPairMatches(*(part[:, :number] for part in self))

    def zoomed(self, factor: Float[Tensor, "batch views"]) -> "ViewPairMatches":
        """The same matches, of pictures each enlarged by its factor."""
        return self._replace(
            first_hd=self.first_hd * self.of_first(factor)[..., None, None],
            second_hd=self.second_hd * self.of_second(factor)[..., None, None],
        )

    @property
    def scene(self) -> Int[Tensor, "batch 1"]:
        """Which scene of the batch each pair is of, to index with beside its views."""
        return torch.arange(len(self.first), device=self.first.device)[:, None]

    def of_first(self, of_views: Shaped[Tensor, "batch views *shape"]) -> Tensor:
        """What belongs to each pair's first view."""
        return of_views[self.scene, self.first]

    def of_second(self, of_views: Shaped[Tensor, "batch views *shape"]) -> Tensor:
        """What belongs to each pair's second view."""
        return of_views[self.scene, self.second]

    def rotation(self, of_views: Float[Tensor, "batch views 3 3"]) -> Tensor:
        """``second_from_first`` of every pair, from ``cam_from_world`` of every view."""
        return self.of_second(of_views) @ self.of_first(of_views).mT


@runtime_checkable
class PoseInitialiser(Protocol):
    """Poses of all views of a scene from matches of pairs of views."""

    def __call__(
        self,
        pairs: ViewPairMatches,
        estimates: PairPoses,
        image_size: tuple[int, int],
        options: MultiviewOptions,
        focal_lengths: Float[Tensor, "batch views"] | None = None,
        camera_ids: Sequence[int] | None = None,
        /,
    ) -> Float[Tensor, "batch views 9"]:
        """Pose encodings against the first view; ``image_size`` is (height, width).

        ``pairs`` are the best of the matches that ``estimates`` are about. ``focal_lengths`` are in
        pixels, NaN where unknown; views of the same one of ``camera_ids`` share one.
        """
        ...


class InitialPoses(NamedTuple):
    """Poses that a camera head starts from, and what they were estimated from.

    ``likeness`` is that of a :class:`Correspondence`.
    """

    pose_enc: Float[Tensor, "batch views 9"]
    pairs: ViewPairMatches
    described: Descriptors
    options: MultiviewOptions
    likeness: Float[Tensor, "batch views views"] | None = None


@cached_table
def cell_centers(grid: tuple[int, int], device: torch.device) -> Float[Tensor, "cells 2"]:
    """(x, y) of every cell on the grid (rows, columns), row by row, the first one at 0."""
    y, x = torch.meshgrid(
        torch.arange(grid[0], device=device, dtype=torch.float32),
        torch.arange(grid[1], device=device, dtype=torch.float32),
        indexing="ij",
    )
    return torch.stack([x, y], -1).flatten(0, 1)


def grid_to_hd(xy: Float[Tensor, "*shape 2"], grid: tuple[int, int]) -> Float[Tensor, "*shape 2"]:
    """Places on a grid about the image's centre, in half diagonals; cells are square."""
    rows, columns = grid
    centered = torch.stack([xy[..., 0] - (columns - 1) / 2, xy[..., 1] - (rows - 1) / 2], -1)
    return centered / half_diagonal(grid)


def half_diagonal(size: tuple[int, int]) -> float:
    """Of (rows, columns) or (height, width), in the same unit."""
    return (size[0] ** 2 + size[1] ** 2) ** 0.5 / 2
