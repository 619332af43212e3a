"""Similarities from positions or poses of which some are wrong.

Two stages. A consensus over minimal samples (least quantile of distances: Rousseeuw, "Least median
of squares regression", JASA 1984) finds the majority without being told how large the noise is;
iteratively reweighted least squares (Geman and McClure's weights) then uses what agrees. All
samples are tried where they are few, a seeded draw of them otherwise: the same input gives the same
answer.

A minority can only be told from the majority where there is one: of three positions none can be
found wrong, of five one, of seven two; of three poses one.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from glance3d.errors import InputError
from glance3d.geometry.cameras import camera_centers
from glance3d.geometry.rotations import nearest_rotation, rotation_angle
from glance3d.geometry.similarity import Similarity, estimate_similarity

MAX_SAMPLES = 1000
# Of a distance in three dimensions with noise sigma per axis, 99.7 % lie below 3.7 sigma.
INLIER_SIGMAS = 3.7
# Poses that differ by less nobody would call contradictory, however well the others agree.
AGREEING_ROTATION_DEG = 2.0
AGREEING_DISTANCE = 0.02  # of the positions' spread
_ROUNDING = 1e-7  # cameras are float32
_ROUNDING_ANGLE = 1e-6
_ITERATIONS = 20
_SETTLED = 1e-12  # of weights, between two iterations
# Of the spreads' ratio: rotations and positions that contradict each other throughout would make
# the best scale 0, or turn space inside out.
_LEAST_SCALE = 0.1


@dataclass(frozen=True)
class RobustSimilarity:
    """``target_from_source``, with its residuals.

    ``distances`` are between targets and moved sources, in the target's units, ``sigma`` the
    inliers' noise along one axis. ``angles`` (radians) and ``angle_sigma`` are the same of the
    rotations, where poses were compared.
    """

    target_from_source: Similarity
    inliers: Bool[Tensor, " points"]
    distances: Float[Tensor, " points"]
    sigma: float
    angles: Float[Tensor, " points"] | None = None
    angle_sigma: float | None = None


def estimate_robust_similarity(
    source: Float[Tensor, "points 3"],
    target: Float[Tensor, "points 3"],
    *,
    min_sigma: float = 0.0,
    seed: int = 0,
) -> RobustSimilarity:
    """``target_from_source`` of positions, in float64.

    ``min_sigma`` is the least noise along one axis to reckon with, in the target's units: what lies
    within it is never called wrong. Positions on a line leave the rotation about it open: see
    :func:`principal_spread`.

    Raises:
        InputError: fewer than three positions.
    """
    if len(source) < 3:
        raise InputError(f"a similarity needs at least three positions, not {len(source)}")
    source, target = source.double(), target.double()
    samples = _samples(len(source), 3, seed)
    scales, rotations, translations = _solve_samples(source[samples], target[samples])
    moved = scales[:, None, None] * (source @ rotations.transpose(-1, -2)) + translations[:, None]
    best, distances = _least_quantile((target - moved).norm(dim=-1), 3)
    floor = max(min_sigma, _rounding(target))
    sigma = max(_sigma_of_consensus(distances, 3), floor)
    similarity = Similarity(float(scales[best]), rotations[best], translations[best])
    before = None
    for _ in range(_ITERATIONS):
        weights = _geman_mcclure(distances, sigma)
        if _has_settled(weights, before):
            break
        before = weights
        similarity = estimate_similarity(source, target, weights)
        distances = (target - similarity.transform_points(source)).norm(dim=-1)
    inliers = distances <= INLIER_SIGMAS * sigma
    noise = _root_mean_square(distances[inliers], 3 * int(inliers.sum()) - 7)
    return RobustSimilarity(similarity, inliers, distances, noise)


def estimate_robust_pose_similarity(
    source: Float[Tensor, "views 3 4"],
    target: Float[Tensor, "views 3 4"],
    *,
    min_sigma: float = 0.0,
    min_angle_sigma: float = 0.0,
    scale: float | None = None,
    seed: int = 0,
) -> RobustSimilarity:
    """``target_from_source`` of the same cameras' ``cam_from_world`` in two worlds, in float64.

    Rotations count as well as positions, so that two cameras apart, or cameras on a line, say all;
    cameras at one place leave the scale open, which is then 1. A ``scale`` that is known by other
    means is kept, and one camera says the rest.

    Raises:
        InputError: no pose.
    """
    if len(source) == 0:
        raise InputError("a similarity of poses needs at least one pose")
    source, target = source.double(), target.double()
    rotations = target[..., :3].transpose(-1, -2) @ source[..., :3]
    _, angles = _least_quantile(_angles_between_all(rotations), 1)
    angle_floor = max(min_angle_sigma, _ROUNDING_ANGLE)
    angle_sigma = max(_sigma_of_consensus(angles, 1), angle_floor)
    usable = _geman_mcclure(angles, angle_sigma) * (angles <= INLIER_SIGMAS * angle_sigma)
    rotation = nearest_rotation(torch.einsum("n,nij->ij", usable, rotations))

    x, y = camera_centers(source), camera_centers(target)
    floor = max(min_sigma, _rounding(y))
    if scale is None:
        start, distances = _consensus_of_positions(x @ rotation.T, y, seed)
        sigma = max(_sigma_of_consensus(distances, 2), floor)
    else:
        start, distances = scale, _consensus_of_shifts(y - scale * (x @ rotation.T))
        sigma = max(_sigma_of_consensus(distances, 1), floor)
    similarity = Similarity(start, rotation, y.new_zeros(3))
    before = None
    for _ in range(_ITERATIONS):
        weights = _geman_mcclure(distances, sigma) * _geman_mcclure(angles, angle_sigma)
        if _has_settled(weights, before):
            break
        before = weights
        similarity = _weighted(x, y, rotations, weights, sigma, angle_sigma, similarity, scale)
        distances = (y - similarity.transform_points(x)).norm(dim=-1)
        angles = rotation_angle(rotations, similarity.rotation.expand_as(rotations))
    near, turned = distances <= INLIER_SIGMAS * sigma, angles <= INLIER_SIGMAS * angle_sigma
    inliers = near & turned
    count = int(inliers.sum())
    return RobustSimilarity(
        similarity,
        inliers,
        distances,
        _root_mean_square(distances[inliers], 3 * count - (4 if scale is None else 3)),
        angles,
        _root_mean_square(angles[inliers], 3 * count - 3),
    )


def principal_spread(points: Float[Tensor, "points 3"]) -> Float[Tensor, "3"]:
    """Root mean square extents about the mean along the principal axes, largest first.

    Points on a line have one that is not zero, points in a plane two.
    """
    points = points.double()
    centred = points - points.mean(0)
    return torch.linalg.eigvalsh(centred.T @ centred / len(points)).clamp_min(0).sqrt().flip(0)


def _samples(num: int, size: int, seed: int) -> Int[Tensor, "samples size"]:
    """All samples of this size, or so many drawn at random."""
    if math.comb(num, size) <= MAX_SAMPLES:
        return torch.tensor(list(combinations(range(num), size)))
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(MAX_SAMPLES, num, generator=generator).topk(size).indices


def _solve_samples(
    source: Float[Tensor, "samples k 3"], target: Float[Tensor, "samples k 3"]
) -> tuple[Float[Tensor, " samples"], Float[Tensor, "samples 3 3"], Float[Tensor, "samples 3"]]:
    """Umeyama's solution, as :func:`estimate_similarity`, of many samples at once."""
    source_mean, target_mean = source.mean(1), target.mean(1)
    x, y = source - source_mean[:, None], target - target_mean[:, None]
    covariance = y.transpose(-1, -2) @ x
    rotation = nearest_rotation(covariance)
    variance = x.square().sum((-1, -2))
    scale = (rotation * covariance).sum((-1, -2)) / variance.clamp_min(1e-300)
    shift = target_mean - scale[:, None] * (rotation @ source_mean[..., None])[..., 0]
    return scale, rotation, shift


def _angles_between_all(rotations: Float[Tensor, "n 3 3"]) -> Float[Tensor, "n n"]:
    """Angles in radians between every two rotations, by the chords between them."""
    flat = rotations.flatten(1)
    chords = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist")
    return 2 * torch.asin((chords / math.sqrt(8)).clamp_max(1))


def _consensus_of_positions(
    x: Float[Tensor, "points 3"], y: Float[Tensor, "points 3"], seed: int
) -> tuple[float, Float[Tensor, " points"]]:
    """The scale that most positions agree on, and the distances after it and its shift."""
    if len(x) == 1:
        return 1.0, y.new_zeros(1)
    first, second = _samples(len(x), 2, seed).T
    across = x[second] - x[first]
    scales = ((y[second] - y[first]) * across).sum(-1) / across.square().sum(-1).clamp_min(1e-300)
    scales = scales.clamp_min(
        _LEAST_SCALE * root_mean_square_spread(y) / max(root_mean_square_spread(x), 1e-300)
    )
    shifts = (y[first] + y[second] - scales[:, None] * (x[first] + x[second])) / 2
    residuals = y - scales[:, None, None] * x - shifts[:, None]
    best, distances = _least_quantile(residuals.norm(dim=-1), 2)
    return float(scales[best]), distances


def _consensus_of_shifts(shifts: Float[Tensor, "points 3"]) -> Float[Tensor, " points"]:
    """The distances from the shift that is closest to most."""
    return _least_quantile(torch.cdist(shifts, shifts), 1)[1]


def _weighted(
    x: Float[Tensor, "points 3"],
    y: Float[Tensor, "points 3"],
    rotations: Float[Tensor, "points 3 3"],
    weights: Float[Tensor, " points"],
    sigma: float,
    angle_sigma: float,
    before: Similarity,
    known_scale: float | None,
) -> Similarity:
    """The most likely similarity where positions and rotations have these noises.

    The likelihood's logarithm is, in the rotation R, the trace of R^T H but for a constant, where H
    adds up s y x^T / sigma^2 and the single rotations over 2 angle_sigma^2 (for small angles the
    squared difference of two rotations is twice the squared angle).
    """
    weights = weights / weights.sum()
    x_mean, y_mean = weights @ x, weights @ y
    x_centred, y_centred = x - x_mean, y - y_mean
    covariance = (y_centred * weights[:, None]).T @ x_centred
    turned = torch.einsum("n,nij->ij", weights, rotations)
    towards = before.scale * covariance / sigma**2 + turned / (2 * angle_sigma**2)
    rotation = nearest_rotation(towards)
    variance = float(weights @ x_centred.square().sum(-1))
    if known_scale is not None:
        scale = known_scale
    elif variance <= _rounding(x) ** 2:  # at one place
        scale = 1.0
    else:
        spreads = math.sqrt(float(weights @ y_centred.square().sum(-1)) / variance)
        scale = max(float((rotation * covariance).sum()) / variance, _LEAST_SCALE * spreads)
    return Similarity(scale, rotation, y_mean - scale * (rotation @ x_mean))


def _least_quantile(
    errors: Float[Tensor, "samples points"], sample_size: int
) -> tuple[int, Float[Tensor, " points"]]:
    """The sample that brings a majority closest, and all errors under it."""
    ranked = errors.kthvalue(_quorum(errors.shape[1], sample_size), dim=1).values
    best = int(ranked.argmin())
    return best, errors[best]


def _quorum(num: int, sample_size: int) -> int:
    """The least majority that a sample cannot please by itself."""
    return min(num, (num + sample_size + 1) // 2)


def _sigma_of_consensus(errors: Float[Tensor, " points"], sample_size: int) -> float:
    """Noise along one axis, from the quantile that the consensus made small."""
    num, quorum = len(errors), _quorum(len(errors), sample_size)
    quantile = _chi3_quantile((quorum - 0.5) / num)
    small_sample = 1 + 5 / max(num - sample_size, 1)
    return small_sample * float(errors.kthvalue(quorum).values) / quantile


@lru_cache(maxsize=1024)
def _chi3_quantile(probability: float) -> float:
    """The length below which a vector of three standard normal numbers lies so often."""
    lengths = torch.linspace(0, 6, 6001, dtype=torch.float64)
    below = torch.special.gammainc(torch.tensor(1.5, dtype=torch.float64), lengths.square() / 2)
    return float(lengths[int(torch.searchsorted(below, probability))].clamp_min(1e-3))


def _geman_mcclure(errors: Float[Tensor, " points"], sigma: float) -> Float[Tensor, " points"]:
    """Weights that fall from 1 to a quarter where errors become unlikely, and on to 0."""
    return (1 + (errors / (INLIER_SIGMAS * sigma)).square()).reciprocal().square()


def _has_settled(
    weights: Float[Tensor, " points"], before: Float[Tensor, " points"] | None
) -> bool:
    return before is not None and float((weights - before).abs().max()) <= _SETTLED


def _root_mean_square(errors: Float[Tensor, " points"], freedom: int) -> float:
    """Noise along one axis from what is left after a fit; 0 where nothing is."""
    return math.sqrt(float(errors.square().sum()) / freedom) if freedom > 0 else 0.0


def _rounding(points: Float[Tensor, "points 3"]) -> float:
    """The noise that float32 leaves in positions."""
    return _ROUNDING * float(points.abs().max()) + 1e-12


def root_mean_square_spread(points: Float[Tensor, "points 3"]) -> float:
    """Root mean square distance from the mean."""
    return float((points - points.mean(0)).norm(dim=-1).square().mean().sqrt())
