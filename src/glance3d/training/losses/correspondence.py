"""Losses of the correspondence head: descriptors by true matches, pairs by true relative poses.

The descriptor loss is the cross-entropy over all cells of another view and a dustbin entry for
points that are not visible there. The pair loss compares the relative pose of each pair of views
with the true one, so that the pair-pose network has a loss of its own; gradients of the losses of
later layers reach it too.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.geometry.pose_encoding import encode_pose
from glance3d.geometry.rotations import rotation_from_quat_xyzw
from glance3d.geometry.transforms import compose, invert
from glance3d.multiview.matches import Descriptors, PairEstimates, SoftMatches, grid_to_hd
from glance3d.multiview.two_view import essential_matrix, sampson_distance
from glance3d.training.losses.descriptor_lookup import bilinear_corners, sample_sparsely
from glance3d.training.losses.scene import Losses


def descriptor_loss(
    described: Descriptors,
    tracks_cells: Float[Tensor, "batch views points 2"],
    visibility: Bool[Tensor, "batch views points"],
) -> Losses:
    """Cross-entropy of each point seen in one view over the cells of every other view.

    ``tracks_cells`` are positions (x, y) on the layer's grid, the first cell's centre at 0. The
    target is the four cells around the true position, with bilinear weights, or the dustbin where
    the point is not visible. ``descriptor_top1`` is how often the best cell is one of the four.
    """
    batch, views = visibility.shape[:2]
    maps = described.descriptors.flatten(0, 1).transpose(1, 2).unflatten(2, described.grid)
    queries = sample_sparsely(maps, tracks_cells.flatten(0, 1)).unflatten(0, (batch, views))
    queries = F.normalize(queries, dim=-1)
    scores = described.inverse_temperature * torch.einsum(
        "bvpd,bwnd->bvwpn", queries, described.descriptors.float()
    )
    unseen = described.dustbin_score.expand(*scores.shape[:-1], 1)
    log_probability = F.log_softmax(torch.cat([scores, unseen], -1), -1)
    index, share = bilinear_corners(tracks_cells.flatten(0, 1), described.grid)
    index = index.transpose(1, 2).unflatten(0, (batch, 1, views)).expand(-1, views, -1, -1, -1)
    share = share.transpose(1, 2).unflatten(0, (batch, 1, views))
    at_truth = (log_probability.gather(-1, index) * share).sum(-1)
    others = ~torch.eye(views, dtype=torch.bool, device=scores.device)[:, :, None]
    seen_here = visibility[:, :, None] & others
    in_target = seen_here & visibility[:, None]
    chosen = torch.where(in_target, at_truth, log_probability[..., -1])
    best = scores.detach().argmax(-1, keepdim=True)
    right = ((best == index).any(-1) & in_target).sum() / in_target.sum().clamp(min=1)
    return {
        "descriptors": -torch.where(seen_here, chosen, 0.0).sum() / seen_here.sum().clamp(min=1),
        "descriptor_top1": right,
    }


def pair_loss(
    relations: PairEstimates,
    matches: SoftMatches,
    grid: tuple[int, int],
    cam_from_world: Float[Tensor, "batch views 3 4"],
    intrinsics: Float[Tensor, "batch views 3 3"],
    shared: Float[Tensor, "batch views views"],
    image_size: tuple[int, int],
    beta: float = 0.05,
) -> Losses:
    """Huber loss of each pair's pose and field of view, cross-entropy of its inlier logits.

    Only pairs of views that overlap count (``shared``, a measure of the overlap, is above 0): no
    pose can be estimated for the others. Rotation has five times the weight, since its numbers are
    small. A match is an inlier within half a cell of the true epipolar line. ``image_size`` is
    (height, width).
    """
    target = pair_pose_targets(cam_from_world, intrinsics, image_size)
    views = cam_from_world.shape[1]
    others = ~torch.eye(views, dtype=torch.bool, device=shared.device)
    counted = ((shared > 0) & others).float()
    error = F.smooth_l1_loss(relations.pose_enc.float(), target, reduction="none", beta=beta)
    parts = error[..., :3].mean(-1), error[..., 3:7].mean(-1), error[..., 7:].mean(-1)
    right = match_is_right(matches, grid, target, intrinsics, image_size).float()
    logits, weight = relations.inlier_logits, relations.weight + 0.03
    entropy = F.binary_cross_entropy_with_logits(logits, right, reduction="none")
    sorting = (entropy * weight).sum(-1) / weight.sum(-1)
    total = counted.sum().clamp(min=1)
    translation, rotation, fov, inliers = (
        (part * counted).sum() / total for part in (*parts, sorting)
    )
    return {
        "pairs": translation + 5 * rotation + fov + 0.5 * inliers,
        "pair_translation": translation.detach(),
        "pair_rotation": rotation.detach(),
        "pair_fov": fov.detach(),
        "pair_inliers": inliers.detach(),
    }


def match_is_right(
    matches: SoftMatches,
    grid: tuple[int, int],
    pair_pose: Float[Tensor, "batch views views 9"],
    intrinsics: Float[Tensor, "batch views 3 3"],
    image_size: tuple[int, int],
) -> Bool[Tensor, "batch views views cells"]:
    """Whether a match lies within half a cell of its epipolar line (Sampson distance)."""
    rotation = rotation_from_quat_xyzw(pair_pose[..., 3:7])
    essential = essential_matrix(rotation, pair_pose[..., :3])
    height, width = image_size
    half_diagonal = (height**2 + width**2) ** 0.5 / 2
    center = intrinsics.new_tensor([[0, 0, width / 2], [0, 0, height / 2], [0, 0, 0]])
    unit = intrinsics.new_tensor([[half_diagonal], [half_diagonal], [1.0]])
    rays_from_unit = torch.linalg.inv(((intrinsics - center) / unit).float())
    fundamental = rays_from_unit[:, None].mT @ essential @ rays_from_unit[:, :, None]
    own = grid_to_hd(matches.source_xy, grid)
    other = grid_to_hd(matches.target_xy, grid)
    ones = torch.ones_like(other[..., :1])
    own = torch.cat([own.expand_as(other), ones], -1)
    other = torch.cat([other, ones], -1)
    half_cell = 1 / (grid[0] ** 2 + grid[1] ** 2) ** 0.5
    return sampson_distance(fundamental, own, other) < half_cell**2


def pair_pose_targets(
    cam_from_world: Float[Tensor, "batch views 3 4"],
    intrinsics: Float[Tensor, "batch views 3 3"],
    image_size: tuple[int, int],
) -> Float[Tensor, "batch views views 9"]:
    """[b, v, w]: ``camw_from_camv`` with a unit translation, and the field of view of ``v``."""
    views = cam_from_world.shape[1]
    cameras = cam_from_world.double()
    world_from_cam = invert(cameras)[:, :, None].expand(-1, -1, views, -1, -1)
    relative = compose(cameras[:, None].expand(-1, views, -1, -1, -1), world_from_cam).float()
    length = relative[..., 3:].norm(dim=-2, keepdim=True)
    relative = torch.cat([relative[..., :3], relative[..., 3:] / length.clamp(min=1e-6)], -1)
    lens = intrinsics.float()[:, :, None].expand(-1, -1, views, -1, -1)
    return encode_pose(relative, lens, *image_size)
