"""What the matches of all views say of their cameras: the poses that a camera head refines."""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.rotations import positive_quat_xyzw_from_rotation
from glance3d.multiview.averaging import ScenePoses, average_poses
from glance3d.multiview.matches import PairEstimates, ViewPairMatches, half_diagonal
from glance3d.multiview.options import MultiviewOptions
from glance3d.multiview.pose_adjustment import FocalPrior, adjust_poses, inlier_share
from glance3d.multiview.relative_pose import estimate_relative_poses


@torch.no_grad()
def initialise_poses(
    pairs: ViewPairMatches,
    estimates: PairEstimates,
    image_size: tuple[int, int],
    options: MultiviewOptions,
    focal_lengths: Float[Tensor, "batch views"] | None = None,
) -> Float[Tensor, "batch views 9"]:
    """Pose encodings against the first view; ``image_size`` is (height, width).

    ``pairs`` are the best of the matches that ``estimates`` are about. ``focal_lengths``, in
    pixels, are what is known of the views' own: NaN where nothing is.

    Each pair of views is solved, pairs are made to agree, and all are adjusted together with one
    focal length for all views, or in the known ratios. That is tried from several focal lengths,
    near the one that pairs fit best and near the known one, or the learned one where nothing is
    known, and what most matches fit is taken. A known one can thus be overruled, by much that
    contradicts it. Translations are as long as cameras usually are apart.
    """
    num_views = estimates.trust.shape[1]
    search = options.focal_search
    with torch.autocast(estimates.trust.device.type, enabled=False):
        learned, trust = estimates.pose_enc.float(), estimates.trust.float()
        focal_hd = scene_focal_length(learned, trust, image_size)
        prior = FocalPrior(focal_hd, torch.full_like(focal_hd, search.learned_deviation))
        zoom = torch.ones_like(trust[..., 0])
        if focal_lengths is not None:
            known_hd = focal_lengths / half_diagonal(image_size)
            prior, zoom = _known_prior(known_hd, prior, search.known_deviation)
        # Photos zoomed to one focal length, so that all views share it.
        scene, focal_hd = _best_try(pairs.zoomed(1 / zoom), learned, prior, num_views, options)
        distance = scene.centers.norm(dim=-1).mean(-1)[:, None, None].clamp(min=1e-9)
        centers = scene.centers * (search.usual_distance / distance)
        # t = -R c
        translation = -(scene.rotation @ centers[..., None])[..., 0]
        fields = fields_of_view(focal_hd[:, None] * zoom, image_size)
        quat_xyzw = positive_quat_xyzw_from_rotation(scene.rotation)
    return torch.cat([translation, quat_xyzw, fields], -1)


def _known_prior(
    known_hd: Float[Tensor, "batch views"], prior: FocalPrior, known_deviation: float
) -> tuple[FocalPrior, Float[Tensor, "batch views"]]:
    """The views' mean focal length where some are known, and each view's own over it."""
    is_known = known_hd > 0  # NaN is not
    some = is_known.any(-1)
    log = torch.where(is_known, known_hd, 1.0).log()
    mean = (log.sum(-1) / is_known.sum(-1).clamp(min=1)).exp()
    focal_hd = torch.where(some, mean, prior.focal_hd)
    zoom = torch.where(is_known, known_hd / focal_hd[:, None], 1.0)
    return FocalPrior(focal_hd, torch.where(some, known_deviation, prior.deviation)), zoom


def _best_try(
    pairs: ViewPairMatches,
    learned: Float[Tensor, "batch views views 9"],
    prior: FocalPrior,
    num_views: int,
    options: MultiviewOptions,
) -> tuple[ScenePoses, Float[Tensor, " batch"]]:
    """Scene by scene, the poses and the focal length of the try that most matches fit."""
    search = options.focal_search
    of_pairs = _search_focal_length(pairs, learned, prior, num_views, options)
    free = torch.full_like(of_pairs, search.learned_deviation)
    best: ScenePoses | None = None
    best_focal_hd, best_score = of_pairs, torch.full_like(of_pairs, -torch.inf)
    # Pairs are solved once for each guess and adjusted from each factor of it.
    for guess in (FocalPrior(of_pairs, free), prior):
        relative = estimate_relative_poses(pairs, learned, guess.focal_hd, options.relative_pose)
        start = average_poses(pairs, relative, num_views, options.averaging)
        for factor in search.factors:
            near = FocalPrior(factor * guess.focal_hd, guess.deviation)
            poses, focal_hd = adjust_poses(pairs, start, near, options.pose_adjustment)
            score = inlier_share(pairs, poses, focal_hd, search.inlier_width_hd)
            score = score - _prior_cost(focal_hd, prior, search.prior_cost)
            better = score > best_score
            best = poses if best is None else poses.where(better, best)
            best_focal_hd = torch.where(better, focal_hd, best_focal_hd)
            best_score = torch.where(better, score, best_score)
    assert best is not None
    return best, best_focal_hd


def _search_focal_length(
    pairs: ViewPairMatches,
    learned: Float[Tensor, "batch views views 9"],
    prior: FocalPrior,
    num_views: int,
    options: MultiviewOptions,
) -> Float[Tensor, " batch"]:
    """The one with which the best pairs' matches fit best, each pair by a pose of its own."""
    search = options.focal_search
    # Pairs are sorted by how much they share; each votes by that.
    few = pairs.best(search.pairs_per_view * num_views)
    share = few.amount / (few.amount.sum(-1, keepdim=True) + 1e-9)
    scores = []
    for length_hd in search.focal_lengths_hd:
        focal_hd = torch.full_like(prior.focal_hd, length_hd)
        poses = estimate_relative_poses(few, learned, focal_hd, options.relative_pose, orbits=False)
        score = (share * poses.inlier_share).sum(-1)
        scores.append(score - _prior_cost(focal_hd, prior, search.prior_cost))
    # Focal lengths are a geometric row, so steps between them are steps of the logarithm.
    ratio = search.focal_lengths_hd[1] / search.focal_lengths_hd[0]
    return search.focal_lengths_hd[0] * ratio ** _parabola_peak(torch.stack(scores, -1))


def _prior_cost(
    focal_hd: Float[Tensor, " batch"], prior: FocalPrior, weight: float
) -> Float[Tensor, " batch"]:
    """As a share of the matches; far from what is expected, further costs little more."""
    return weight * prior.deviations(focal_hd).square().log1p()


def _parabola_peak(values: Float[Tensor, "batch steps"]) -> Float[Tensor, " batch"]:
    """Where a parabola through the largest value and its neighbours is highest, in steps."""
    largest = values.argmax(-1, keepdim=True).clamp(1, values.shape[-1] - 2)
    before, at, after = (values.gather(-1, largest + step)[..., 0] for step in (-1, 0, 1))
    # The vertex of the parabola through (-1, before), (0, at), (1, after).
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
    # f = (side / 2) / tan(field / 2), the mean of both sides.
    focal = (height / halves[:, 0].tan() + width / halves[:, 1].tan()) / 4
    return focal / half_diagonal(image_size)


def fields_of_view(
    focal_hd: Float[Tensor, "*batch"], image_size: tuple[int, int]
) -> Float[Tensor, "*batch 2"]:
    """Vertical and horizontal, in radians; ``focal_hd`` in half diagonals."""
    pixels = focal_hd * half_diagonal(image_size)
    height, width = image_size
    return torch.stack([2 * torch.atan(side / (2 * pixels)) for side in (height, width)], -1)
