"""What the matches of all views say of their cameras: the poses that a camera head refines."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.rotations import positive_quat_xyzw_from_rotation
from glance3d.multiview.averaging.scene import ScenePoses, average_poses
from glance3d.multiview.focal_lengths.camera_zooms import estimate_zooms
from glance3d.multiview.focal_lengths.rows import parabola_peak
from glance3d.multiview.matches import PairPoses, ViewPairMatches, half_diagonal
from glance3d.multiview.options import MultiviewOptions
from glance3d.multiview.pose_adjustment import FocalPrior, adjust_poses, inlier_share
from glance3d.multiview.relative_pose import estimate_relative_poses
from glance3d.nn.precision import autocast


@torch.no_grad()
def initialise_poses(
    pairs: ViewPairMatches,
    estimates: PairPoses,
    image_size: tuple[int, int],
    options: MultiviewOptions,
    focal_lengths: Float[Tensor, "batch views"] | None = None,
    camera_ids: Sequence[int] | None = None,
) -> Float[Tensor, "batch views 9"]:
    """Pose encodings against the first view; ``image_size`` is (height, width).

    ``pairs`` are the best of the matches that ``estimates`` were made of. ``focal_lengths``, in
    pixels, are what is known of the views' own: NaN where nothing is.

    ``camera_ids`` say which views share a focal length, where not all do: then each camera's is
    estimated first, and what comes of them is taken if more matches fit.

    Each pair of views is solved, pairs are made to agree, and all are adjusted together with one
    focal length for all views, or in the known ratios. That is tried from a wide row of focal
    lengths and from the known one, or the learned one where nothing is known; around the best of
    them it is done again with more pairs, and what most matches fit is taken. Two views only have
    what their pair says of the focal length, and the known or learned one. A known one can thus be
    overruled, by much that contradicts it. Translations are as long as cameras usually are apart.
    """
    num_views = estimates.trust.shape[1]
    search = options.focal_search
    with autocast(estimates.trust, enabled=False):
        learned, trust = estimates.pose_enc.float(), estimates.trust.float()
        focal_hd = scene_focal_length(learned, trust, image_size)
        prior = FocalPrior(focal_hd, torch.full_like(focal_hd, search.learned_deviation))
        zoom = torch.ones_like(trust[..., 0])
        if focal_lengths is not None:
            known_hd = focal_lengths / half_diagonal(image_size)
            prior, zoom = _known_prior(known_hd, prior, search.known_deviation)
        # Photos zoomed to one focal length, so that all views share it.
        alike = pairs.zoomed(1 / zoom)
        scene, focal_hd = _best_try(alike, learned, prior, num_views, options)
        if camera_ids is not None and num_views > 2:
            known = None if focal_lengths is None else focal_lengths > 0
            free = estimate_zooms(alike, learned, prior.focal_hd, camera_ids, options, known)
            zoomed = alike.zoomed(1 / free)
            other, other_hd = _best_try(zoomed, learned, prior, num_views, options)
            width_hd = options.focal_search.inlier_width_hd
            share = inlier_share(alike, scene, focal_hd, width_hd)
            better = inlier_share(zoomed, other, other_hd, width_hd) > share
            scene, focal_hd = other.where(better, scene), torch.where(better, other_hd, focal_hd)
            zoom = torch.where(better[:, None], zoom * free, zoom)
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
    if num_views > 2:
        guesses = [_scene_guess(pairs, learned, prior, num_views, options)]
    else:
        of_pairs = _search_focal_length(pairs, learned, prior, num_views, options)
        guesses = [FocalPrior(of_pairs, torch.full_like(of_pairs, search.learned_deviation)), prior]
    tries = _Tries(pairs, prior, options)
    # Pairs are solved once for each guess and adjusted from each factor of it.
    for guess in guesses:
        relative = estimate_relative_poses(pairs, learned, guess.focal_hd, options.relative_pose)
        start = average_poses(pairs, relative, num_views, options.averaging)
        for factor in search.factors:
            tries.add(start, FocalPrior(factor * guess.focal_hd, guess.deviation))
    return tries.polished()


def _scene_guess(
    pairs: ViewPairMatches,
    learned: Float[Tensor, "batch views views 9"],
    prior: FocalPrior,
    num_views: int,
    options: MultiviewOptions,
) -> FocalPrior:
    """What is expected, or one of a wide row, that all views together fit best, by fewer pairs.

    Pairs of views around a thing far away hardly tell a long lens from a short one, but rotations
    of three and more of them only add up with the right one.
    """
    search = options.focal_search
    few = pairs.best(search.scene_pairs_per_view * num_views)
    free = torch.full_like(prior.focal_hd, search.learned_deviation)
    row = [FocalPrior(torch.full_like(free, each), free) for each in search.scene_focal_lengths_hd]
    tries = _Tries(few, prior, options)
    for guess in (prior, *row):
        relative = estimate_relative_poses(few, learned, guess.focal_hd, options.relative_pose)
        tries.add(average_poses(few, relative, num_views, options.averaging), guess)
    return FocalPrior(tries.best[1], tries.deviation)


class _Tries:
    """Poses and focal lengths adjusted from several starts, and the best, scene by scene."""

    def __init__(
        self, pairs: ViewPairMatches, prior: FocalPrior, options: MultiviewOptions
    ) -> None:
        self.pairs, self.prior, self.options = pairs, prior, options
        self.made: list[tuple[ScenePoses, Tensor]] = []
        self.score = torch.full_like(prior.focal_hd, -torch.inf)
        self.deviation = prior.deviation

    @property
    def best(self) -> tuple[ScenePoses, Float[Tensor, " batch"]]:
        """The try that most matches fit."""
        return self.made[0]

    def add(self, start: ScenePoses, near: FocalPrior) -> None:
        """Adjust from these poses and this focal length."""
        poses, focal_hd = adjust_poses(self.pairs, start, near, self.options.pose_adjustment)
        score = self._score(poses, focal_hd)
        if self.made:
            better = score > self.score
            poses = poses.where(better, self.best[0])
            focal_hd = torch.where(better, focal_hd, self.best[1])
            self.deviation = torch.where(better, near.deviation, self.deviation)
            score = torch.maximum(score, self.score)
        self.made, self.score = [(poses, focal_hd)], score

    def polished(self) -> tuple[ScenePoses, Float[Tensor, " batch"]]:
        """The best one, adjusted to all pairs more exactly, if that fits more."""
        options = self.options.pose_adjustment
        poses, focal_hd = self.best
        last = replace(options, cauchy_widths_hd=options.last_widths_hd)
        sure = torch.full_like(focal_hd, options.last_focal_deviation)
        every = poses._replace(trust=self.pairs.amount)
        exact, exact_hd = adjust_poses(self.pairs, every, FocalPrior(focal_hd, sure), last)
        better = self._score(exact, exact_hd) > self.score
        return exact.where(better, poses), torch.where(better, exact_hd, focal_hd)

    def _score(
        self, poses: ScenePoses, focal_hd: Float[Tensor, " batch"]
    ) -> Float[Tensor, " batch"]:
        search = self.options.focal_search
        share = inlier_share(self.pairs, poses, focal_hd, search.inlier_width_hd)
        # What a network expects counts as the matches of two views do; what is known counts fully.
        is_known = self.prior.deviation < search.learned_deviation
        weight = search.prior_cost * torch.where(is_known, 1.0, 2 / poses.rotation.shape[1])
        return share - _prior_cost(focal_hd, self.prior, weight)


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
    return search.focal_lengths_hd[0] * ratio ** parabola_peak(torch.stack(scores, -1))


def _prior_cost(
    focal_hd: Float[Tensor, " batch"], prior: FocalPrior, weight: float | Tensor
) -> Float[Tensor, " batch"]:
    """As a share of the matches; far from what is expected, further costs little more."""
    return weight * prior.deviations(focal_hd).square().log1p()


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
