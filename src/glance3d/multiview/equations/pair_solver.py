"""Normal equations of many views: a block of unknowns for each view, a block for each pair.

Views are put in an order in which those of a pair are near each other (reverse Cuthill-McKee;
George and Liu 1981), so that the matrix is a band along its diagonal, and the band is factorised
(LAPACK's ``pbsv``): along a walk time grows with the views. Where every view is near every other in
the graph there is no narrow band; then, and on a GPU, the whole matrix is factorised (Cholesky).
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.multiview.matches import ViewPairMatches

#: Up to so many views, matrices of all pairs of views are as fast.
MOST_DENSE_VIEWS = 48
# Of all unknowns: from a band of this share on, to factorise the whole is as fast.
_WIDE_BAND = 1 / 3


class PairEquations(NamedTuple):
    """``A x = right``, symmetric and positive definite; unknowns of each view are together.

    ``of_views`` are the blocks on the diagonal; ``of_pairs`` have the rows of a pair's first view
    and the columns of its second. All are float64.
    """

    of_views: Float[Tensor, "batch views size size"]
    of_pairs: Float[Tensor, "batch pairs size size"]
    right: Float[Tensor, "batch views size columns"]

    def with_first_view_held(self, pairs: ViewPairMatches) -> "PairEquations":
        """The same equations for a first view whose unknowns are all zero."""
        apart = ((pairs.first > 0) & (pairs.second > 0))[..., None, None]
        of_views, right = self.of_views.clone(), self.right.clone()
        of_views[:, 0] = torch.eye(of_views.shape[-1], dtype=of_views.dtype, device=right.device)
        right[:, 0] = 0
        return PairEquations(of_views, torch.where(apart, self.of_pairs, 0.0), right)


class PairSolver:
    """Solves the equations of one graph of pairs, as often as their numbers change.

    Each two views have at most one pair.
    """

    def __init__(self, pairs: ViewPairMatches, num_views: int, size: int) -> None:
        self.pairs, self.num_views, self.size = pairs, num_views, size
        self.bands: list[_Band] | None = None
        if pairs.first.device.type == "cpu":
            bands = [
                _Band(*of_scene, num_views, size)
                for of_scene in zip(pairs.first.numpy(), pairs.second.numpy(), strict=True)
            ]
            if all(band.width < _WIDE_BAND * size * num_views for band in bands):
                self.bands = bands

    def solve(self, equations: PairEquations) -> Float[Tensor, "batch views size columns"]:
        """The solution; zero in scenes whose equations have none."""
        if self.bands is None:
            return self._solve_whole(equations)
        scenes = zip(self.bands, *equations, strict=True)
        return torch.stack([band.solve(*of_scene) for band, *of_scene in scenes])

    def _solve_whole(self, equations: PairEquations) -> Float[Tensor, "batch views size columns"]:
        pairs, views, size = self.pairs, self.num_views, self.size
        blocks = equations.of_pairs.new_zeros((len(pairs.first), views, views, size, size))
        own = torch.arange(views, device=blocks.device)
        blocks[:, own, own] = equations.of_views
        blocks[pairs.scene, pairs.first, pairs.second] = equations.of_pairs
        blocks[pairs.scene, pairs.second, pairs.first] = equations.of_pairs.mT
        matrix = blocks.transpose(2, 3).reshape(len(blocks), views * size, views * size)
        factor, failed = torch.linalg.cholesky_ex(matrix)
        solved = torch.cholesky_solve(equations.right.flatten(1, 2), factor)
        solved = torch.where((failed == 0)[:, None, None], solved, 0.0)
        return torch.nan_to_num(solved).unflatten(1, (views, size))


class _Band:
    """The order of one scene's views, and where the numbers of blocks are in the band.

    The lower band of LAPACK: number (row, column) of the matrix, ``row >= column``, is at [row -
    column, column]; here in memory column after column.
    """

    def __init__(
        self,
        first: Int[np.ndarray, " pairs"],
        second: Int[np.ndarray, " pairs"],
        num_views: int,
        size: int,
    ) -> None:
        from scipy.sparse import coo_array  # many views are seldom: scipy waits for them
        from scipy.sparse.csgraph import reverse_cuthill_mckee

        graph = coo_array((np.ones(len(first)), (first, second)), shape=(num_views, num_views))
        order = reverse_cuthill_mckee((graph + graph.T).tocsr(), symmetric_mode=True)
        place = np.empty(num_views, dtype=np.int64)
        place[order] = np.arange(num_views)
        self.num_views, self.size, self.place = num_views, size, place
        reach = np.abs(place[first] - place[second]).max(initial=0)
        self.width = int(size * (reach + 1))  # numbers of a column, its own among them
        within = np.arange(size)
        own_rows = (size * place)[:, None, None] + within[:, None]
        self._lower = np.tril_indices(size)
        self._of_views = self._index(own_rows, (size * place)[:, None, None] + within)[
            :, *self._lower
        ]
        # Of each pair the later view's rows and the earlier one's columns are below the diagonal.
        self._swapped = place[first] > place[second]
        later, earlier = (
            np.maximum(place[first], place[second]),
            np.minimum(place[first], place[second]),
        )
        self._of_pairs = self._index(
            (size * later)[:, None, None] + within[:, None],
            (size * earlier)[:, None, None] + within,
        )

    def _index(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return columns * self.width + rows - columns

    def solve(
        self,
        of_views: Float[Tensor, "views size size"],
        of_pairs: Float[Tensor, "pairs size size"],
        right: Float[Tensor, "views size columns"],
    ) -> Float[Tensor, "views size columns"]:
        """The solution, zero if there is none."""
        from scipy.linalg import LinAlgError, solveh_banded

        unknowns = self.num_views * self.size
        band = np.zeros(unknowns * self.width)
        band[self._of_views] = of_views.numpy()[:, *self._lower]
        # Blocks have the first view's rows; below the diagonal are the later view's.
        blocks = np.where(self._swapped[:, None, None], of_pairs.numpy(), of_pairs.mT.numpy())
        band[self._of_pairs] = blocks
        ordered = np.empty((self.num_views, self.size, right.shape[-1]))
        ordered[self.place] = right.numpy()
        try:
            solved = solveh_banded(
                band.reshape(unknowns, self.width).T,
                ordered.reshape(unknowns, -1),
                overwrite_ab=True,
                overwrite_b=True,
                lower=True,
                check_finite=False,
            )
        except LinAlgError:
            return torch.zeros_like(right)
        solved = np.asarray(solved).reshape(self.num_views, self.size, -1)[self.place]
        return torch.nan_to_num(torch.from_numpy(solved))
