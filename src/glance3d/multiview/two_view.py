"""Epipolar geometry of two views: residuals and their derivatives, triangulated rays, eight points.

Everywhere ``x`` are rays or homogeneous places of the first view and ``y`` of the second, with
``y^T E x = 0`` and ``E = [t]x R`` for ``second_from_first = [R | t]``. Rotation, direction and
focal length move on their own manifolds: a small rotation of the first view, a step of the
direction along its two tangents, a factor of the focal length. None of this takes part in gradients
of training but for the loss on matches.

Source: Hartley and Zisserman, "Multiple View Geometry", 2004, sections 9.6, 11.4 and A6.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.geometry.sync_free_linalg import least_eigenvector
from glance3d.multiview.options import EightPointOptions
from glance3d.nn.tables import cached_table

_EPS = 1e-9
_MIN_PARALLAX = 0.01  # radians, below which nobody can say which side of a camera a point is on


class RayMatches(NamedTuple):
    """Rays (with z = 1) of matching places in both views, weights that sum to one, focal length.

    The focal length, of both views, is in half diagonals of the image.
    """

    x: Float[Tensor, "*pairs matches 3"]
    y: Float[Tensor, "*pairs matches 3"]
    weight: Float[Tensor, "*pairs matches"]
    focal_hd: Float[Tensor, "*pairs"]


class Residuals(NamedTuple):
    """Signed Sampson distances in half diagonals, what they were scaled by, and ``E^T y``."""

    distance_hd: Float[Tensor, "*pairs matches"]
    scale: Float[Tensor, "*pairs matches"]
    line_in_first: Float[Tensor, "*pairs matches 3"]


def rays_from_hd(
    xy_hd: Float[Tensor, "*pairs matches 2"], focal_hd: Float[Tensor, "*pairs"]
) -> Float[Tensor, "*pairs matches 3"]:
    """Rays (with z = 1) of places in half diagonals about the image's centre."""
    return torch.cat([xy_hd / focal_hd[..., None, None], torch.ones_like(xy_hd[..., :1])], -1)


def essential_matrix(
    rotation: Float[Tensor, "*batch 3 3"], direction: Float[Tensor, "*batch 3"]
) -> Float[Tensor, "*batch 3 3"]:
    """``E = [t]x R``."""
    return torch.linalg.cross(direction[..., None, :].expand_as(rotation), rotation.mT).mT


# Residuals ----------------------------------------------------------------------------------------


class EpipolarTerms(NamedTuple):
    """Of each match ``y^T F x``, its squared gradient along both places, and the line ``F^T y``."""

    algebraic: Float[Tensor, "*pairs matches"]
    squared_gradient: Float[Tensor, "*pairs matches"]
    line_in_first: Float[Tensor, "*pairs matches 3"]


def epipolar_terms(
    fundamental: Float[Tensor, "*#pairs 3 3"],
    x: Float[Tensor, "*#pairs matches 3"],
    y: Float[Tensor, "*#pairs matches 3"],
) -> EpipolarTerms:
    """What Sampson distances are made of: ``algebraic^2 / squared_gradient`` is one, squared."""
    line_in_second, line_in_first = x @ fundamental.mT, y @ fundamental
    gradient = line_in_second[..., :2].square().sum(-1) + line_in_first[..., :2].square().sum(-1)
    return EpipolarTerms((y * line_in_second).sum(-1), gradient, line_in_first)


def sampson_distance(
    fundamental: Float[Tensor, "*#pairs 3 3"],
    x: Float[Tensor, "*#pairs matches 3"],
    y: Float[Tensor, "*#pairs matches 3"],
) -> Float[Tensor, "*pairs matches"]:
    """Squared distance to the epipolar constraint, to first order (section 11.4.3)."""
    terms = epipolar_terms(fundamental, x, y)
    return terms.algebraic.square() / (terms.squared_gradient + _EPS)


def residuals(
    rotation: Float[Tensor, "*pairs 3 3"],
    direction: Float[Tensor, "*pairs 3"],
    matches: RayMatches,
) -> Residuals:
    """How far each match is from fitting ``y^T [t]x R x = 0``."""
    # d = f y^T E x / |gradient|; the gradient is by x and y of both rays.
    terms = epipolar_terms(essential_matrix(rotation, direction), matches.x, matches.y)
    # Rays have z = 1, so a distance between them times the focal length is one in the image.
    scale = matches.focal_hd[..., None] / terms.squared_gradient.clamp(min=_EPS).sqrt()
    return Residuals(terms.algebraic * scale, scale, terms.line_in_first)


def jacobian(
    rotation: Float[Tensor, "*pairs 3 3"],
    direction: Float[Tensor, "*pairs 3"],
    matches: RayMatches,
    residual: Residuals,
) -> Float[Tensor, "*pairs matches 5"]:
    """Derivatives of the distances: 3 by a rotation of the first view, 2 by the direction.

    With ``R exp([w]x)`` that of ``y^T [t]x R x`` by ``w`` is ``x`` x ``E^T y``; by ``t`` it is
    ``R x`` x ``y``. How the scale of a distance changes is left out: it is small near zero.
    """
    by_rotation = torch.linalg.cross(matches.x, residual.line_in_first)
    by_direction = torch.linalg.cross(matches.x @ rotation.mT, matches.y) @ tangent_basis(direction)
    return torch.cat([by_rotation, by_direction], -1) * residual.scale[..., None]


def cauchy_cost(
    distance_hd: Float[Tensor, "*pairs matches"],
    weight: Float[Tensor, "*pairs matches"],
    width_hd: float,
) -> Float[Tensor, "*pairs"]:
    """Weighted mean of ``log(1 + (distance / width)^2)``: what is far off counts little."""
    return (weight * torch.log1p((distance_hd / width_hd) ** 2)).sum(-1)


def tangent_basis(direction: Float[Tensor, "*pairs 3"]) -> Float[Tensor, "*pairs 3 2"]:
    """Two unit vectors at right angles to a direction and to each other."""
    least = direction.abs().argmin(-1, keepdim=True)
    # The axis that the direction has least of is the farthest from being parallel to it.
    axis = torch.zeros_like(direction).scatter(-1, least, 1.0)
    first = F.normalize(torch.linalg.cross(direction, axis), dim=-1)
    return torch.stack([first, torch.linalg.cross(direction, first)], -1)


def retract_direction(
    direction: Float[Tensor, "*pairs 3"], step: Float[Tensor, "*pairs 2"]
) -> Float[Tensor, "*pairs 3"]:
    """A direction after a step along its tangents, back on the unit sphere."""
    return F.normalize(direction + (tangent_basis(direction) @ step[..., None])[..., 0], dim=-1)


# Which side of the cameras ------------------------------------------------------------------------


class RayIntersection(NamedTuple):
    """Where the rays of each match pass each other.

    ``depth`` and ``depth_other``, in the first view and in the second, are in units of the
    translation times ``steepness``; ``normal`` is at right angles to both rays, which are kept as
    ``x_in_second`` and ``y``.
    """

    depth: Float[Tensor, "*pairs matches"]
    depth_other: Float[Tensor, "*pairs matches"]
    normal: Float[Tensor, "*pairs matches 3"]
    x_in_second: Float[Tensor, "*pairs matches 3"]
    y: Float[Tensor, "*pairs matches 3"]

    @property
    def steepness(self) -> Float[Tensor, "*pairs matches"]:
        """What depths are too large by: the squared length of the normal."""
        return self.normal.square().sum(-1)

    @property
    def parallax(self) -> Float[Tensor, "*pairs matches"]:
        """The sine of the angle between the rays."""
        return self.normal.norm(dim=-1) / (self.x_in_second.norm(dim=-1) * self.y.norm(dim=-1))


def triangulate_rays(
    rotation: Float[Tensor, "*#pairs 3 3"],
    translation: Float[Tensor, "*#pairs 3"],
    x: Float[Tensor, "*#pairs matches 3"],
    y: Float[Tensor, "*#pairs matches 3"],
) -> RayIntersection:
    """Triangulation by the rays' common normal; ``translation`` has any length.

    ``a R x + t = b y`` times ``y`` (as a cross product), and then the normal ``n = y x R x``, gives
    ``a |n|^2 = -(y x t) n``; times ``R x`` likewise ``b |n|^2 = -(R x x t) n``.
    """
    x_in_second = x @ rotation.mT
    y = y.expand_as(x_in_second)
    normal = torch.linalg.cross(y, x_in_second)
    step = translation[..., None, :].expand_as(x_in_second)
    depth = -(torch.linalg.cross(y, step) * normal).sum(-1)
    depth_other = -(torch.linalg.cross(x_in_second, step) * normal).sum(-1)
    return RayIntersection(depth, depth_other, normal, x_in_second, y)


def cheirality(
    intersection: RayIntersection,
) -> tuple[Bool[Tensor, "*pairs matches"], Bool[Tensor, "*pairs matches"]]:
    """Which matches lie before both cameras: for this translation, and for its opposite."""
    depth, depth_other = intersection.depth, intersection.depth_other
    return (depth > 0) & (depth_other > 0), (depth < 0) & (depth_other < 0)


def possible_cheirality(
    intersection: RayIntersection,
) -> tuple[Bool[Tensor, "*pairs matches"], Bool[Tensor, "*pairs matches"]]:
    """As :func:`cheirality`; without parallax a match may lie on either side."""
    unknown = intersection.parallax < _MIN_PARALLAX
    ahead, behind = cheirality(intersection)
    return ahead | unknown, behind | unknown


# The eight-point algorithm ------------------------------------------------------------------------


class EightPointFit(NamedTuple):
    """``y^T F x = 0``, each match's Cauchy weight (0 to 1), and how well determined F is.

    ``log_spread`` are logarithms of the least eigenvalue of the moments and of how small the
    others are (:func:`glance3d.geometry.sync_free_linalg.least_eigenvector`).
    """

    fundamental: Float[Tensor, "*pairs 3 3"]
    inlier_weight: Float[Tensor, "*pairs matches"]
    log_spread: Float[Tensor, "*pairs 2"]


def eight_point(
    x: Float[Tensor, "*pairs matches 3"],
    y: Float[Tensor, "*pairs matches 3"],
    weight: Float[Tensor, "*pairs matches"],
    options: EightPointOptions,
) -> EightPointFit:
    """The fundamental matrix of homogeneous places (in half diagonals), with weights that sum to 1.

    The weighted eight-point algorithm (Longuet-Higgins 1981; Hartley 1997), begun with the best of
    a few samples (Fischler and Bolles 1981) and reweighted by how well each match fits (Cauchy
    weights on the Sampson distance). What is degenerate gives some finite answer.
    """
    rows = (y[..., :, None] * x[..., None, :]).flatten(-2)  # times vec(F) this is y^T F x
    fundamental = _best_of_samples(rows, x, y, weight, options)
    values = x.new_zeros(())
    inlier_weight = x.new_zeros(())
    for width in options.cauchy_widths_hd:
        inlier_weight = 1 / (1 + sampson_distance(fundamental, x, y) / width**2)
        moments = (rows * (weight * inlier_weight)[..., None]).transpose(-1, -2) @ rows
        vector, values = least_eigenvector(moments.double())
        fundamental = vector.float().unflatten(-1, (3, 3))
    return EightPointFit(fundamental, inlier_weight, (values.float() + 1e-8).log())


def _best_of_samples(
    rows: Float[Tensor, "*pairs matches 9"],
    x: Float[Tensor, "*pairs matches 3"],
    y: Float[Tensor, "*pairs matches 3"],
    weight: Float[Tensor, "*pairs matches"],
    options: EightPointOptions,
) -> Float[Tensor, "*pairs 3 3"]:
    """Of the solutions of small samples the one that fits best, so that wrong matches do no harm.

    Samples are drawn by weight, with the same noise each time (Gumbel's trick, and a fixed table).
    """
    noise = gumbel_noise(options.num_samples, weight.shape[-1], weight.device)
    size = min(options.sample_size, weight.shape[-1])
    drawn = (weight[..., None, :].log() + noise).topk(size, -1).indices
    index = drawn.flatten(-2)[..., None].expand(*drawn.shape[:-2], -1, 9)
    sample = (
        rows.expand(*weight.shape, 9).gather(-2, index).unflatten(-2, (options.num_samples, size))
    )
    vector, _ = least_eigenvector((sample.transpose(-1, -2) @ sample).double())
    solutions = vector.float().unflatten(-1, (3, 3))
    stride = max(1, weight.shape[-1] // options.num_judges)
    x, y, weight = x[..., None, ::stride, :], y[..., None, ::stride, :], weight[..., None, ::stride]
    # Every stride-th match judges; solutions[..., s, :, :] of sample s.
    distance = sampson_distance(solutions, x, y)
    score = (weight / (1 + distance / options.cauchy_widths_hd[0] ** 2)).sum(-1)
    best = score.argmax(-1)[..., None, None, None].expand(*score.shape[:-1], 1, 3, 3)
    return solutions.gather(-3, best)[..., 0, :, :]


@cached_table
def gumbel_noise(
    samples: int, matches: int, device: torch.device
) -> Float[Tensor, "samples matches"]:
    """Noise to draw samples by weight with: the largest sums of it and logarithms of weights.

    Source: Kool et al., Stochastic beams and where to find them, ICML 2019 (Gumbel top-k).
    """
    uniform = torch.rand(samples, matches, generator=torch.Generator().manual_seed(0))
    return -torch.log(-torch.log(uniform.clamp(1e-6, 1 - 1e-6))).to(device)
