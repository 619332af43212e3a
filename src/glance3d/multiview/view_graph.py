"""The view graph: which photos see the same things, and the verified matches of each two."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.transforms import compose, invert
from glance3d.multiview.two_view import epipolar_terms, essential_matrix
from glance3d.types import Cameras

_NO_GRADIENT = 1e-20


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


def connected_components(edges: Iterable[tuple[int, int]]) -> list[set[int]]:
    """Sets of views that edges connect, in order of their first view."""
    components: list[set[int]] = []
    for edge in edges:
        # All components that an edge touches become one.
        touching = [c for c in components if c & set(edge)]
        components = [c for c in components if not c & set(edge)]
        components.append(set(edge).union(*touching))
    return sorted(components, key=min)


def largest_component(edges: Iterable[tuple[int, int]]) -> set[int]:
    """The largest connected set of views; of equal ones, that with the earliest view."""
    return max(connected_components(edges), key=len, default=set())


def epipolar_errors(pair: VerifiedPair, cameras: Cameras) -> Float[np.ndarray, " matches"]:
    """Distance of each match from its epipolar lines, in original pixels (first-order, Sampson).

    In float64. Distortion is ignored: it is far below what tells a right pose from a wrong one.
    Infinite for cameras at one place, which have no epipolar lines and explain nothing.

    Source: Hartley and Zisserman, "Multiple View Geometry", section 11.4.3.
    """
    poses = cameras.cam_from_world.double()
    second_from_first = compose(poses[pair.second], invert(poses[pair.first]))
    essential = essential_matrix(second_from_first[:, :3], second_from_first[:, 3])
    to_ray = torch.linalg.inv(cameras.intrinsics[[pair.first, pair.second]].double())
    # F = K_2^-T E K_1^-1, so that y^T F x = 0 for homogeneous pixels.
    fundamental = to_ray[1].T @ essential @ to_ray[0]
    terms = epipolar_terms(
        fundamental, homogeneous(pair.pixels_first), homogeneous(pair.pixels_second)
    )
    distance = terms.algebraic.abs() / terms.squared_gradient.clamp(min=_NO_GRADIENT).sqrt()
    return torch.where(terms.squared_gradient > _NO_GRADIENT, distance, torch.inf).numpy()


def view_epipolar_errors(graph: ViewGraph, cameras: Cameras) -> list[float]:
    """The median error over all matches of each view; infinite for a view without any."""
    errors: list[list[np.ndarray]] = [[] for _ in range(graph.num_views)]
    for pair in graph.pairs:
        of_pair = epipolar_errors(pair, cameras)
        errors[pair.first].append(of_pair)
        errors[pair.second].append(of_pair)
    return [float(np.median(np.concatenate(own))) if own else float("inf") for own in errors]


def homogeneous(pixels: Float[np.ndarray, "matches 2"]) -> Float[Tensor, "matches 3"]:
    """Pixels with a one behind them, in float64."""
    xy = torch.from_numpy(pixels.astype(np.float64))
    return torch.cat([xy, torch.ones_like(xy[:, :1])], -1)
