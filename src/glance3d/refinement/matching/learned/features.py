"""Ends of matches as features: one for each corner, so that tracks of several views form."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from glance3d.refinement.matching.learned.pair_matches import PairMatches

# Of a cell's side: ends of matches in one square of this side are one feature.
MERGED_WITHIN = 0.45


def merge_ends(
    ends: Float[np.ndarray, "ends 2"], side: float
) -> tuple[Int[np.ndarray, " ends"], Float[np.ndarray, "features 2"]]:
    """The feature of each end and all features: means of the ends in squares of this side."""
    squares = np.floor(ends / side).astype(np.int64)
    distinct, feature = np.unique(squares, axis=0, return_inverse=True)
    feature = feature.reshape(-1)
    counts = np.bincount(feature, minlength=len(distinct))
    sums = [np.bincount(feature, ends[:, axis], minlength=len(distinct)) for axis in (0, 1)]
    return feature, np.stack(sums, 1) / np.maximum(counts, 1)[:, None]


def one_to_one(rows: Int[np.ndarray, "matches 2"]) -> Int[np.ndarray, "kept 2"]:
    """The first match of every feature in either view."""
    for side in (0, 1):
        rows = rows[np.sort(np.unique(rows[:, side], return_index=True)[1])]
    return rows


def features_of_matches(
    matches: Sequence[PairMatches], num_views: int, sides: Sequence[float]
) -> tuple[
    list[Float[np.ndarray, "features 2"]], dict[tuple[int, int], Int[np.ndarray, "matches 2"]]
]:
    """All views' features, and for each pair the numbers of those that match, one to one.

    ``sides`` are those of the squares, in original pixels, view by view.
    """
    ends = [[np.zeros((0, 2))] for _ in range(num_views)]
    for pair in matches:
        ends[pair.first].append(pair.pixels_first)
        ends[pair.second].append(pair.pixels_second)
    merged = [merge_ends(np.concatenate(own), side) for own, side in zip(ends, sides, strict=True)]
    position, rows = [0] * num_views, {}
    for pair in matches:
        numbers = []
        for view in (pair.first, pair.second):
            start, position[view] = position[view], position[view] + len(pair)
            numbers.append(merged[view][0][start : position[view]])
        rows[pair.first, pair.second] = one_to_one(np.stack(numbers, 1))
    return [features for _, features in merged], rows
