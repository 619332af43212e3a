"""What the matches of all views say of their cameras: the poses that a camera head refines."""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.multiview.averaging import ScenePoses, average_poses
from glance3d.multiview.matches import PairEstimates, half_diagonal
from glance3d.multiview.pose_adjustment import (
    FocalPrior,
    adjust_poses,
    share_that_fits,
)
from glance3d.multiview.relative_pose import ViewPairMatches, fit_relative_poses
from glance3d.multiview.two_view import quaternion

_USUAL_DISTANCE = 0.3  # of cameras from the reference, in units of the scene
#: Focal lengths, in half diagonals, that are compared by how well the best pairs fit ...
_FOCAL_LENGTHS = tuple(0.65 * 1.22**step for step in range(13))
_PAIRS_COMPARED = 3  # for each view
_FACTORS = (1.0, 0.8, 1.25)  # ... and what the best and the expected one are tried times
_LEARNED_DEVIATION, _KNOWN_DEVIATION = 0.6, 0.1  # of the logarithm of an expected focal length
_FITS = 0.008  # half diagonals, by which tries are compared ...
_OFF_FOCAL = 0.0072  # ... and what being off the expected focal length costs


@torch.no_grad()
def initialise_poses(
    pairs: ViewPairMatches,
    relations: PairEstimates,
    image_size: tuple[int, int],
    focal_lengths: Float[Tensor, "batch views"] | None = None,
) -> Float[Tensor, "batch views 9"]:
    """Pose encodings against the first view; ``image_size`` is (height, width).

    ``pairs`` are the best of the matches that ``relations`` are about. ``focal_lengths``, in
    pixels, are what is known of the views' own: NaN where nothing is.

    Each pair of views is solved, pairs are made to agree, and all are adjusted together with one
    focal length for all views, or in the known ratios. That is tried from several focal lengths,
    near the one that pairs fit best and near the known one, or the learned one where nothing is
    known, and what most matches fit is taken. A known one can thus be overruled, by much that
    contradicts it. Translations are as long as cameras usually are apart.
    """
    num_views = relations.trust.shape[1]
    with torch.autocast(relations.trust.device.type, enabled=False):
        learned, trust = relations.pose_enc.float(), relations.trust.float()
        focal = scene_focal_length(learned, trust, image_size)
        expected = FocalPrior(focal, torch.full_like(focal, _LEARNED_DEVIATION))
        zoom = torch.ones_like(trust[..., 0])
        if focal_lengths is not None:
            expected, zoom = _what_is_known(focal_lengths / half_diagonal(image_size), expected)
        scene, focal = _best_try(pairs.zoomed(1 / zoom), learned, expected, num_views)
        distance = scene.centers.norm(dim=-1).mean(-1)[:, None, None].clamp(min=1e-9)
        centers = scene.centers * (_USUAL_DISTANCE / distance)
        translation = -(scene.rotation @ centers[..., None])[..., 0]
        fields = fields_of_view(focal[:, None] * zoom, image_size)
    return torch.cat([translation, quaternion(scene.rotation), fields], -1)


def _what_is_known(
    known: Float[Tensor, "batch views"], expected: FocalPrior
) -> tuple[FocalPrior, Float[Tensor, "batch views"]]:
    """The views' mean focal length where some are known, and each view's own over it."""
    is_known = known > 0  # NaN is not
    some = is_known.any(-1)
    log = torch.where(is_known, known, 1.0).log()
    mean = (log.sum(-1) / is_known.sum(-1).clamp(min=1)).exp()
    focal = torch.where(some, mean, expected.focal)
    zoom = torch.where(is_known, known / focal[:, None], 1.0)
    return FocalPrior(focal, torch.where(some, _KNOWN_DEVIATION, expected.deviation)), zoom


def _best_try(
    pairs: ViewPairMatches,
    learned: Float[Tensor, "batch views views 9"],
    expected: FocalPrior,
    num_views: int,
) -> tuple[ScenePoses, Float[Tensor, " batch"]]:
    """Scene by scene, the poses and the focal length of the try that most matches fit."""
    of_pairs = _focal_length_of_pairs(pairs, learned, expected, num_views)
    free = torch.full_like(of_pairs, _LEARNED_DEVIATION)
    best: ScenePoses | None = None
    best_focal, best_score = of_pairs, torch.full_like(of_pairs, -torch.inf)
    for guess in (FocalPrior(of_pairs, free), expected):
        start = average_poses(pairs, fit_relative_poses(pairs, learned, guess.focal), num_views)
        for factor in _FACTORS:
            near = FocalPrior(factor * guess.focal, guess.deviation)
            poses, focal = adjust_poses(pairs, start, near)
            score = share_that_fits(pairs, poses, focal, _FITS) - _cost_of(focal, expected)
            better = score > best_score
            best = poses if best is None else poses.where(better, best)
            best_focal = torch.where(better, focal, best_focal)
            best_score = torch.where(better, score, best_score)
    assert best is not None
    return best, best_focal


def _focal_length_of_pairs(
    pairs: ViewPairMatches,
    learned: Float[Tensor, "batch views views 9"],
    expected: FocalPrior,
    num_views: int,
) -> Float[Tensor, " batch"]:
    """The one with which the best pairs' matches fit best, each pair by a pose of its own."""
    few = pairs.best(_PAIRS_COMPARED * num_views)
    share = few.amount / (few.amount.sum(-1, keepdim=True) + 1e-9)
    scores = []
    for length in _FOCAL_LENGTHS:
        focal = torch.full_like(expected.focal, length)
        fit = fit_relative_poses(few, learned, focal, orbits=False).fit
        scores.append((share * fit).sum(-1) - _cost_of(focal, expected))
    ratio = _FOCAL_LENGTHS[1] / _FOCAL_LENGTHS[0]
    return _FOCAL_LENGTHS[0] * ratio ** _peak(torch.stack(scores, -1))


def _cost_of(focal: Float[Tensor, " batch"], expected: FocalPrior) -> Float[Tensor, " batch"]:
    """As a share of the matches; far from what is expected, further costs little more."""
    return _OFF_FOCAL * expected.off(focal).square().log1p()


def _peak(values: Float[Tensor, "batch steps"]) -> Float[Tensor, " batch"]:
    """Where a parabola through the largest value and its neighbours is highest, in steps."""
    largest = values.argmax(-1, keepdim=True).clamp(1, values.shape[-1] - 2)
    before, at, after = (values.gather(-1, largest + step)[..., 0] for step in (-1, 0, 1))
    bend = (2 * at - before - after).clamp(min=1e-9)
    return largest[..., 0] + ((after - before) / (2 * bend)).clamp(-1, 1)


def scene_focal_length(
    pair_pose: Float[Tensor, "batch views views 9"],
    trust: Float[Tensor, "batch views views"],
    image_size: tuple[int, int],
) -> Float[Tensor, " batch"]:
    """One focal length for all views of a scene, in half diagonals, from what all pairs say.

    ``image_size`` is (height, width).
    """
    share = trust / trust.sum((1, 2), keepdim=True).clamp(min=1e-9)
    halves = ((share[..., None] * pair_pose[..., 7:]).sum((1, 2)) / 2).clamp(0.05, 1.5)
    height, width = image_size
    focal = (height / halves[:, 0].tan() + width / halves[:, 1].tan()) / 4
    return focal / half_diagonal(image_size)


def fields_of_view(
    focal: Float[Tensor, "*batch"], image_size: tuple[int, int]
) -> Float[Tensor, "*batch 2"]:
    """Vertical and horizontal, in radians; ``focal`` in half diagonals."""
    pixels = focal * half_diagonal(image_size)
    height, width = image_size
    return torch.stack([2 * torch.atan(side / (2 * pixels)) for side in (height, width)], -1)
