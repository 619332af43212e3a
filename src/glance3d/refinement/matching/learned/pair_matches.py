"""Matches of two photos by descriptors, exact to a fraction of a pixel and verified."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.refinement.matching.learned.cell_matches import match_cells
from glance3d.refinement.matching.learned.corners import PhotoCorners, find_again
from glance3d.refinement.matching.learned.view_descriptors import ViewDescriptors
from glance3d.refinement.pycolmap_interface import import_pycolmap

# Of a pair, the surest of them.
_MOST_MATCHES = 400
_MIN_CONFIDENCE = 0.1
# Pixels at a diagonal of 1000: twice what half of right matches miss by.
MAX_ERROR = 4.0
# Measured on a walk through an office and on an object on black: of pairs with these, 40 of 45 are
# right; with 20 inliers and a ratio of 0.2 half of them.
_MIN_INLIERS = 30
_MIN_INLIER_RATIO = 0.4
# Samples of RANSAC: with a ratio of 0.4, seven matches are all right in one of 600.
_MOST_SAMPLES = 1000


@dataclass(frozen=True)
class PairMatches:
    """Places of the same points in two views, in original pixels."""

    first: int
    second: int
    pixels_first: Float[np.ndarray, "matches 2"]
    pixels_second: Float[np.ndarray, "matches 2"]

    def __len__(self) -> int:
        return len(self.pixels_first)

    def only(self, kept: Bool[np.ndarray, " matches"]) -> "PairMatches":
        """Those of the matches that are kept."""
        first, second = self.pixels_first[kept], self.pixels_second[kept]
        return PairMatches(self.first, self.second, first, second)


def match_pair(
    described: ViewDescriptors, corners: list[PhotoCorners], first: int, second: int
) -> PairMatches:
    """The corners of cells that choose each other, from either side, where photos look alike."""
    cells = match_cells(described, first, second, _MIN_CONFIDENCE, _MOST_MATCHES)
    of_first, in_second = _places(described, corners, (first, second), cells.first, cells.in_second)
    of_second, in_first = _places(described, corners, (second, first), cells.second, cells.in_first)
    return PairMatches(
        first,
        second,
        torch.cat([of_first, in_first]).double().numpy(),
        torch.cat([in_second, of_second]).double().numpy(),
    )


def _places(
    described: ViewDescriptors,
    corners: list[PhotoCorners],
    views: tuple[int, int],
    cells: Tensor,
    places: Float[Tensor, "matches 2"],
) -> tuple[Float[Tensor, "alike 2"], Float[Tensor, "alike 2"]]:
    """The cells' corners in the first of two views and where the second one shows them.

    ``places`` are where the cells' middles are on the second view's grid.
    """
    own, other = (corners[view] for view in views)
    pixels = own.pixels[cells]
    from_middle = pixels - described.centres(views[0])[cells]
    about = described.to_original(views[1], places) + from_middle
    again, alike = find_again(own, other, pixels, about, described.cell_side(views[1]))
    return pixels[alike], again[alike]


def verify_pair(matches: PairMatches, cameras: tuple[Any, Any], unit: float, seed: int) -> Any:
    """COLMAP's two-view geometry of the matches (its inliers number them); None if they hold none.

    ``cameras`` are COLMAP's of both views, ``unit`` is a pixel at a diagonal of 1000.
    """
    if len(matches) < _MIN_INLIERS:
        return None
    geometry = estimate_geometry(matches.pixels_first, matches.pixels_second, cameras, unit, seed)
    inliers = len(geometry.inlier_matches)
    is_held = inliers >= max(_MIN_INLIERS, _MIN_INLIER_RATIO * len(matches))
    return geometry if is_held else None


def estimate_geometry(
    pixels_first: Float[np.ndarray, "matches 2"],
    pixels_second: Float[np.ndarray, "matches 2"],
    cameras: tuple[Any, Any],
    unit: float,
    seed: int,
) -> Any:
    """COLMAP's two-view geometry of rows that belong together."""
    pycolmap = import_pycolmap()
    options = pycolmap.TwoViewGeometryOptions()
    options.ransac.max_error = MAX_ERROR * unit
    options.ransac.max_num_trials = _MOST_SAMPLES
    options.ransac.random_seed = seed
    rows = np.arange(len(pixels_first), dtype=np.uint32)[:, None].repeat(2, axis=1)
    return pycolmap.estimate_two_view_geometry(
        cameras[0], pixels_first, cameras[1], pixels_second, rows, options
    )
