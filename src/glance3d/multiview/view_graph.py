"""The view graph: which photos see the same things, and the verified matches of each two."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class VerifiedPair:
    """Matches of two views that one two-view geometry explains, in original pixels.

    ``flat`` says that a homography explains them as well: a plane, or no parallax.
    """

    first: int
    second: int
    pixels_first: Float[np.ndarray, "matches 2"]
    pixels_second: Float[np.ndarray, "matches 2"]
    flat: bool

    def __len__(self) -> int:
        return len(self.pixels_first)


@dataclass(frozen=True)
class ViewGraph:
    """The verified pairs of a scene of ``num_views`` photos."""

    num_views: int
    pairs: tuple[VerifiedPair, ...]

    def pairs_of(self, view: int) -> Iterator[VerifiedPair]:
        """The pairs in which a view takes part."""
        return (pair for pair in self.pairs if view in (pair.first, pair.second))

    def num_matches_of(self, view: int) -> int:
        """How many verified matches a view has with all others together."""
        return sum(len(pair) for pair in self.pairs_of(view))
