"""Points followed by their descriptors: each view is searched for what looks most alike.

Training teaches the track head's maps that corresponding pixels have similar features (InfoNCE over
cosines, as in SuperGlue's and LoFTR's lineage); a network too small for a good tracker has good
descriptors long before. A correspondence head's descriptors, coarser and surer, are compared along
with them where there is one, and the pictures themselves say the place to a fraction of a pixel.
Nothing is followed from view to view: every view is searched as a whole.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.models import VGGT
from glance3d.models.correspondence import Descriptions
from glance3d.models.correspondence.matches import cell_positions
from glance3d.models.correspondence.sharpening import align, with_slopes
from glance3d.models.heads.correlation import sample_bilinear
from glance3d.tracking.feature_maps import CELL, FeatureMaps, track_head_of
from glance3d.tracking.following import Followed, stack_followed

TEMPERATURE = 0.07  # of the matching loss
_CELLS_COUNT = 2.0  # times as much as the track head's maps; from 1.4 to 3 it is much the same
_WINDOW = 2  # cells about the best one, whose weighted mean is finer than a cell
_SIMILARITIES = 2**24  # at a time: 64 MiB
_PATCH_RADIUS, _FARTHEST = 4, 4.0  # pixels, of the pictures' own comparison


class Matched(NamedTuple):
    """The best place of descriptors on a map, and how alike it is (cosine)."""

    cells: Float[Tensor, "queries 2"]
    similarity: Float[Tensor, " queries"]


class MatchingFollower:
    """Visibility is mutuality, confidence is likeness.

    ``visibility`` is ``2 ** -(d / r)``, where ``d`` is how far from the query its match's own best
    match lies, and ``r`` is ``MUTUAL_WITHIN`` cells: 0.5 at that distance, 1 for a perfect return.
    ``confidence`` is the cosine of the two descriptors, 0 if negative.
    """

    MUTUAL_WITHIN = 2.0

    def __init__(self, network: VGGT, features: FeatureMaps) -> None:
        self._features = features
        norm = track_head_of(network).tracker.map_norm
        with torch.inference_mode():
            normed = norm(features.maps.movedim(1, -1)).movedim(-1, 1)
            self._descriptors = F.normalize(normed.float(), dim=1)
            self._temperature = TEMPERATURE
            if features.described is not None:
                cells = _on_maps(features.described, normed.shape[-2:])
                parts = [self._descriptors, _CELLS_COUNT**0.5 * cells]
                self._descriptors = F.normalize(torch.cat(parts, 1), dim=1)
                self._temperature /= 1 + _CELLS_COUNT
            gray = None if features.images is None else features.images.float().mean(1)
            self._pictures = None if gray is None else with_slopes(gray[None])[0]

    def follow(
        self, view: int, pixels_original: Float[Tensor, "queries 2"], targets: Sequence[int]
    ) -> Followed:
        """See :class:`glance3d.tracking.following.Follower`."""
        rows, columns = self._descriptors.shape[-2:]
        cells = self._features.to_cells(pixels_original, view)
        step = max(1, _SIMILARITIES // (rows * columns))
        with torch.inference_mode():
            parts = [self._some(view, part, targets) for part in cells.split(step)]
        return stack_followed(parts)

    def return_errors(self, visibility: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """What visibility says in pixels of the network's grid: from the query to where it ends."""
        return -torch.log2(visibility) * (self.MUTUAL_WITHIN * CELL)

    def _some(
        self, view: int, cells: Float[Tensor, "queries 2"], targets: Sequence[int]
    ) -> Followed:
        positions, visibility, confidence = [], [], []
        for target in targets:
            there = self._find(view, cells, target)
            back = self._find(target, there.cells, view)
            distance = (back.cells - cells).norm(dim=-1)
            positions.append(self._features.to_original(there.cells, target))
            visibility.append(torch.exp2(-distance / self.MUTUAL_WITHIN).cpu())
            confidence.append(there.similarity.clamp(min=0).cpu())
        if not targets:
            nothing = torch.zeros(0, len(cells))
            return Followed(torch.zeros(0, len(cells), 2), nothing, nothing)
        return Followed(torch.stack(positions), torch.stack(visibility), torch.stack(confidence))

    def _find(self, view: int, cells: Float[Tensor, "queries 2"], target: int) -> Matched:
        """Where the descriptors say, and as exactly as the pictures know, if they look alike."""
        found = self._search(target, self._describe(view, cells))
        if self._pictures is None:
            return found
        here, there = self._pictures[None, [view], :1], self._pictures[None, [target]]
        own, coarse = CELL * cells[None, None], CELL * found.cells[None, None]
        fine, alike = align(here, own, there, coarse, _PATCH_RADIUS, _FARTHEST)
        is_alike = alike[0, 0, :, None] > 0
        return found._replace(cells=torch.where(is_alike, fine[0, 0] / CELL, found.cells))

    def _describe(
        self, view: int, cells: Float[Tensor, "queries 2"]
    ) -> Float[Tensor, "queries channels"]:
        """Unit descriptors between cells."""
        sampled = sample_bilinear(self._descriptors[view][None], cells[None], padding="border")
        return F.normalize(sampled[0], dim=-1)

    def _search(self, view: int, wanted: Float[Tensor, "queries channels"]) -> Matched:
        """The whole view is searched, but for its padding."""
        similarity = wanted @ self._descriptors[view].flatten(1)
        similarity = similarity.masked_fill(~self._features.content[view].flatten(), -1.0)
        best = similarity.max(-1)
        columns = self._descriptors.shape[-1]
        cells = _mean_around(similarity / self._temperature, best.indices, columns)
        return Matched(cells, best.values)


def _on_maps(
    described: Descriptions, size: tuple[int, int]
) -> Float[Tensor, "views channels rows columns"]:
    """Unit descriptors of a correspondence head's cells, between them where a map's cells are."""
    views = described.descriptors[0].float().transpose(1, 2).unflatten(2, described.grid)
    pixels_of_a_cell = CELL * size[0] / described.grid[0]
    places = cell_positions(size, views.device) * CELL + 0.5
    at = (places / pixels_of_a_cell - 0.5).expand(len(views), -1, -1)
    between = sample_bilinear(views, at, padding="border")
    return F.normalize(between, dim=-1).transpose(1, 2).unflatten(2, size)


def _mean_around(
    scores: Float[Tensor, "queries cells"], best: Int[Tensor, " queries"], columns: int
) -> Float[Tensor, "queries 2"]:
    """The mean place of the cells about the best one, by the softmax of their scores."""
    rows = scores.shape[-1] // columns
    steps = torch.arange(-_WINDOW, _WINDOW + 1, device=best.device)
    dy, dx = torch.meshgrid(steps, steps, indexing="ij")
    x = (best % columns)[:, None] + dx.flatten()
    y = (best // columns)[:, None] + dy.flatten()
    exists = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
    index = y.clamp(0, rows - 1) * columns + x.clamp(0, columns - 1)
    weights = scores.gather(-1, index).masked_fill(~exists, -torch.inf).softmax(-1)
    return torch.stack([(weights * x).sum(-1), (weights * y).sum(-1)], -1)
