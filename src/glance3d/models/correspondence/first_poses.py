"""What the matches of all views say of their cameras: the poses that a camera head refines."""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.models.correspondence.adjustment import adjust_poses, share_that_fits
from glance3d.models.correspondence.matches import half_diagonal
from glance3d.models.correspondence.pair_poses import PairMatches, fit_pair_poses
from glance3d.models.correspondence.relations import Relations
from glance3d.models.correspondence.synchronisation import ScenePoses, synchronise
from glance3d.models.correspondence.two_view import quaternion

_USUAL_DISTANCE = 0.3  # of cameras from the reference, in units of the scene
#: What is tried: a factor of the learned focal length, and whether pairs start from orbits as well.
_TRIES = ((1.0, False), (1.0, True), (0.75, True), (1.33, True))
_FITS = 0.008  # half diagonals, by which tries are compared ...
_OFF_FOCAL = 0.01  # ... and what the squared logarithm of focal length over learned one costs


@torch.no_grad()
def estimate_first_poses(
    pairs: PairMatches, relations: Relations, image_size: tuple[int, int]
) -> Float[Tensor, "batch views 9"]:
    """Pose encodings against the first view; ``image_size`` is (height, width).

    ``pairs`` are the best of the matches that ``relations`` are about.

    Each pair of views is solved, pairs are made to agree, and all are adjusted together with one
    focal length for all views. That is tried from several focal lengths, and what most matches fit
    is taken. Translations are as long as cameras usually are apart.
    """
    num_views = relations.trust.shape[1]
    with torch.autocast(relations.trust.device.type, enabled=False):
        learned, trust = relations.pose_enc.float(), relations.trust.float()
        focal = scene_focal_length(learned, trust, image_size)
        scene, focal = _best_try(pairs, learned, focal, num_views)
        distance = scene.centers.norm(dim=-1).mean(-1)[:, None, None].clamp(min=1e-9)
        centers = scene.centers * (_USUAL_DISTANCE / distance)
        translation = -(scene.rotation @ centers[..., None])[..., 0]
        fields = fields_of_view(focal, image_size)[:, None].expand(-1, num_views, -1)
    return torch.cat([translation, quaternion(scene.rotation), fields], -1)


def _best_try(
    pairs: PairMatches,
    learned: Float[Tensor, "batch views views 9"],
    learned_focal: Float[Tensor, " batch"],
    num_views: int,
) -> tuple[ScenePoses, Float[Tensor, " batch"]]:
    """Scene by scene, the poses and the focal length of the try that most matches fit."""
    best: ScenePoses | None = None
    best_focal, best_score = learned_focal, torch.full_like(learned_focal, -torch.inf)
    for factor, orbits in _TRIES:
        of_pairs = fit_pair_poses(pairs, learned, factor * learned_focal, orbits)
        start = synchronise(pairs, of_pairs, num_views)
        poses, focal = adjust_poses(pairs, start, factor * learned_focal)
        off = (focal / learned_focal).log().square()
        score = share_that_fits(pairs, poses, focal, _FITS) - _OFF_FOCAL * off
        better = score > best_score
        best = poses if best is None else poses.where(better, best)
        best_focal = torch.where(better, focal, best_focal)
        best_score = torch.where(better, score, best_score)
    assert best is not None
    return best, best_focal


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
    focal: Float[Tensor, " batch"], image_size: tuple[int, int]
) -> Float[Tensor, "batch 2"]:
    """Vertical and horizontal, in radians; ``focal`` in half diagonals."""
    pixels = focal * half_diagonal(image_size)
    height, width = image_size
    return torch.stack([2 * torch.atan(side / (2 * pixels)) for side in (height, width)], -1)
