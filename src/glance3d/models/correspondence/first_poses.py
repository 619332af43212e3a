"""What the matches of all views say of their cameras: the poses that a camera head refines."""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.models.correspondence.adjustment import adjust_poses
from glance3d.models.correspondence.matches import half_diagonal
from glance3d.models.correspondence.pair_poses import PairMatches, fit_pair_poses
from glance3d.models.correspondence.relations import Relations
from glance3d.models.correspondence.synchronisation import synchronise
from glance3d.models.correspondence.two_view import quaternion

_USUAL_DISTANCE = 0.3  # of cameras from the reference, in units of the scene


@torch.no_grad()
def estimate_first_poses(
    pairs: PairMatches, relations: Relations, image_size: tuple[int, int]
) -> Float[Tensor, "batch views 9"]:
    """Pose encodings against the first view; ``image_size`` is (height, width).

    ``pairs`` are the best of the matches that ``relations`` are about.

    Each pair of views is solved, pairs are made to agree, and all are adjusted together with one
    focal length for all views. Translations are as long as cameras usually are apart.
    """
    num_views = relations.trust.shape[1]
    with torch.autocast(relations.trust.device.type, enabled=False):
        learned, trust = relations.pose_enc.float(), relations.trust.float()
        focal = scene_focal_length(learned, trust, image_size)
        scene = synchronise(pairs, fit_pair_poses(pairs, learned, focal), num_views)
        scene, focal = adjust_poses(pairs, scene, focal)
        distance = scene.centers.norm(dim=-1).mean(-1)[:, None, None].clamp(min=1e-9)
        centers = scene.centers * (_USUAL_DISTANCE / distance)
        translation = -(scene.rotation @ centers[..., None])[..., 0]
        fields = fields_of_view(focal, image_size)[:, None].expand(-1, num_views, -1)
    return torch.cat([translation, quaternion(scene.rotation), fields], -1)


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
