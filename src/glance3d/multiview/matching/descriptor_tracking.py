"""Points tracked by descriptors: each view is searched for the most similar descriptor.

Training teaches the track head's maps that corresponding pixels have similar features (InfoNCE over
cosines, as in SuperGlue's and LoFTR's lineage); a network too small for a good tracker has good
descriptors long before. With a correspondence head, its descriptors, coarser and more distinctive,
are compared as well; the position is refined to a fraction of a pixel on the images. Nothing is
tracked from view to view: every view is searched as a whole.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.multiview.matches import Descriptors, cell_centers
from glance3d.multiview.matching.soft_matches import windowed_soft_argmax
from glance3d.multiview.matching.subpixel import align_patches, image_gradients
from glance3d.multiview.options import MultiviewOptions
from glance3d.nn.sampling import sample_bilinear

FEATURE_STRIDE = 2  # pixels from one cell of the track head's maps to the next
MUTUAL_WITHIN = 2.0 * FEATURE_STRIDE  # pixels
_SIMILARITIES = 2**24  # at a time: 64 MiB


class TrackedCells(NamedTuple):
    """Where queries of one view are on the maps of others, how mutual the matches, how alike."""

    cells: Float[Tensor, "targets queries 2"]
    visibility: Float[Tensor, "targets queries"]
    confidence: Float[Tensor, "targets queries"]


class DescriptorTracker:
    """The views of one scene, ready to be searched for points of each other.

    Args:
        maps: The track head's, of unit length along the channels; a cell (x, y), the first cell's
            centre being 0, is the pixel ``FEATURE_STRIDE * cell``, the first pixel's centre
            being 0.
        options: Of the search, and of the pictures' own comparison.
        described: A correspondence head's descriptors of the same scene.
        images: What the network saw, for places finer than cells (None: as fine as the maps).
        content: False where nothing is looked for (None: everything is).
    """

    @torch.no_grad()
    def __init__(
        self,
        maps: Float[Tensor, "views channels rows columns"],
        options: MultiviewOptions,
        described: Descriptors | None = None,
        images: Float[Tensor, "views 3 height width"] | None = None,
        content: Bool[Tensor, "views rows columns"] | None = None,
    ) -> None:
        self._tracking, self._subpixel = options.tracking, options.subpixel
        self._descriptors, self._temperature = maps.float(), options.tracking.temperature
        if described is not None:
            weight = options.tracking.described_weight
            between = _between_cells(described, (maps.shape[-2], maps.shape[-1]))
            # The cosine of joined vectors is the weighted mean of both cosines.
            joined = torch.cat([self._descriptors, weight**0.5 * between], 1)
            self._descriptors = F.normalize(joined, dim=1)
            self._temperature /= 1 + weight
        gray = None if images is None else images.float().mean(1)
        self._pictures = None if gray is None else image_gradients(gray[None])[0]
        self._content = content

    @torch.no_grad()
    def track(
        self, view: int, cells: Float[Tensor, "queries 2"], targets: Sequence[int]
    ) -> TrackedCells:
        """Queries of ``view`` in each of ``targets``.

        ``visibility`` is ``2 ** -(d / r)``, where ``d`` is how far from the query its match's own
        best match lies, and ``r`` is ``MUTUAL_WITHIN`` pixels: 0.5 at that distance, 1 for a
        perfect return. ``confidence`` is the cosine of the two descriptors, 0 if negative.
        """
        rows, columns = self._descriptors.shape[-2:]
        parts = [
            self._track_some(view, some, targets)
            for some in cells.split(max(1, _SIMILARITIES // (rows * columns)))
        ]
        return TrackedCells(*(torch.cat(values, 1) for values in zip(*parts, strict=True)))

    def _track_some(
        self, view: int, cells: Float[Tensor, "queries 2"], targets: Sequence[int]
    ) -> TrackedCells:
        tracked = cells.new_zeros((len(targets), len(cells), 2))
        visibility, confidence = (torch.zeros_like(tracked[..., 0]) for _ in range(2))
        for index, target in enumerate(targets):
            tracked[index], similarity = self._find(view, cells, target)
            # Forward-backward check: the match is searched for in the query's view again.
            returned, _ = self._find(target, tracked[index], view)
            distance = FEATURE_STRIDE * (returned - cells).norm(dim=-1)
            visibility[index] = torch.exp2(-distance / MUTUAL_WITHIN)
            confidence[index] = similarity.clamp(min=0)
        return TrackedCells(tracked, visibility, confidence)

    def _find(
        self, view: int, cells: Float[Tensor, "queries 2"], target: int
    ) -> tuple[Float[Tensor, "queries 2"], Float[Tensor, " queries"]]:
        """Where the descriptors say, and as exactly as the pictures know, if they look alike."""
        coarse, similarity = self._search(target, self._describe(view, cells))
        if self._pictures is None:
            return coarse, similarity
        image, maps = self._pictures[None, view, None, :1], self._pictures[None, target, None]
        source, about = FEATURE_STRIDE * cells[None, None], FEATURE_STRIDE * coarse[None, None]
        radius, max_shift = self._tracking.patch_radius, self._tracking.max_shift
        fine, likeness = align_patches(
            image, source, maps, about, radius, max_shift, self._subpixel
        )
        return torch.where(
            likeness[0, 0, :, None] > 0, fine[0, 0] / FEATURE_STRIDE, coarse
        ), similarity

    def _describe(
        self, view: int, cells: Float[Tensor, "queries 2"]
    ) -> Float[Tensor, "queries channels"]:
        """Unit descriptors between cells."""
        sampled = sample_bilinear(self._descriptors[view, None], cells[None], padding="border")
        return F.normalize(sampled[0], dim=-1)

    def _search(
        self, view: int, wanted: Float[Tensor, "queries channels"]
    ) -> tuple[Float[Tensor, "queries 2"], Float[Tensor, " queries"]]:
        """The best place on a whole view's map, and the cosine there."""
        # [queries, rows * columns] cosines
        similarity = wanted @ self._descriptors[view].flatten(1)
        if self._content is not None:
            similarity = similarity.masked_fill(~self._content[view].flatten(), -1.0)
        highest, best = similarity.max(-1)
        rows, columns = self._descriptors.shape[-2:]
        scores = similarity / self._temperature
        cells, _ = windowed_soft_argmax(scores, best, (rows, columns), self._tracking.window)
        return cells, highest


def _between_cells(
    described: Descriptors, size: tuple[int, int]
) -> Float[Tensor, "views channels rows columns"]:
    """Unit descriptors of a correspondence head's cells, between them where a map's cells are."""
    views = described.descriptors[0].float().transpose(1, 2).unflatten(2, described.grid)
    pixels_of_a_cell = FEATURE_STRIDE * size[0] / described.grid[0]
    # A cell of the maps is the pixel FEATURE_STRIDE * cell, whose centre is half a pixel from
    # its corner.
    pixels = cell_centers(size, views.device) * FEATURE_STRIDE + 0.5
    cells = (pixels / pixels_of_a_cell - 0.5).expand(len(views), -1, -1)
    between = sample_bilinear(views, cells, padding="border")
    return F.normalize(between, dim=-1).transpose(1, 2).unflatten(2, size)
