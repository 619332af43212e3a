"""Rotation and translation averaging: from relative poses of pairs to one pose for each view.

Rotations are carried from the reference to every view along all paths at once: a power of the
matrix of all relative rotations, weighted by how far each is trusted (Singer 2011; Arie-Nachimson
et al. 2012). Pairs that contradict what the others agree on are then trusted less, and all is done
again (iterated reweighting; Chatterjee and Govindu 2013). Positions follow from directions whose
lengths are computed in turn with the positions and are kept from vanishing (as in LUD, Ozyesil and
Singer 2015). A view that shares nothing with the reference is thus placed through the views between
them. Nothing here waits for a device.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.geometry.rotations import rotation_angle, rotation_from_quat_xyzw
from glance3d.geometry.sync_free_linalg import wahba_rotation
from glance3d.multiview.matches import ViewPairMatches
from glance3d.multiview.options import AveragingOptions
from glance3d.multiview.relative_pose import RelativePoses


class ScenePoses(NamedTuple):
    """``cam_from_first`` of every view, camera centres in any unit, and each pair's trust."""

    rotation: Float[Tensor, "batch views 3 3"]
    centers: Float[Tensor, "batch views 3"]
    trust: Float[Tensor, "batch pairs"]

    def where(self, chosen: Bool[Tensor, " batch"], other: "ScenePoses") -> "ScenePoses":
        """Scene by scene, these or the other."""
        mine = chosen.view(-1, 1, 1, 1)
        return ScenePoses(
            torch.where(mine, self.rotation, other.rotation),
            torch.where(mine[..., 0], self.centers, other.centers),
            torch.where(mine[..., 0, 0], self.trust, other.trust),
        )


@torch.no_grad()
def average_poses(
    pairs: ViewPairMatches, poses: RelativePoses, num_views: int, options: AveragingOptions
) -> ScenePoses:
    """One pose for each view that most pairs agree with, the first view's frame being the world.

    A pair is trusted by how much of its views is matched and how much of that fits. In float64.
    """
    with torch.autocast(poses.rotation.device.type, enabled=False):
        rotation, direction = poses.rotation.double(), poses.direction.double()
        # Tuned: a pair that fits badly is nearly mute.
        trust = (pairs.amount.double() * poses.inlier_share.double().square()) ** 1.5
        trust = trust / (trust.amax(-1, keepdim=True) + 1e-30)
        views, agreed = robust_rotation_averaging(pairs, rotation, trust, num_views, options)
        # A unit vector from the second view's centre to the first's, in the world.
        towards = (pairs.of_second(views).mT @ direction[..., None])[..., 0]
        reliable = agreed * poses.parallax_share.double()
        centers = translation_averaging(pairs, towards, reliable, num_views, options)
    return ScenePoses(views.float(), centers.float(), agreed.float())


def robust_rotation_averaging(
    pairs: ViewPairMatches,
    relative: Float[Tensor, "batch pairs 3 3"],
    trust: Float[Tensor, "batch pairs"],
    num_views: int,
    options: AveragingOptions,
) -> tuple[Float[Tensor, "batch views 3 3"], Float[Tensor, "batch pairs"]]:
    """``cam_from_first`` of every view, and how far each pair is trusted in the end.

    ``relative`` is ``second_from_first`` of every pair.
    """
    views, agreed = rotation_averaging(pairs, relative, trust, num_views, options), trust
    for angle in options.contradiction_angles:
        error = rotation_angle(pairs.rotation(views), relative)
        agreed = trust / (1 + (error / angle) ** 2) ** 2
        views = rotation_averaging(pairs, relative, agreed, num_views, options)
    return views, agreed


def rotation_averaging(
    pairs: ViewPairMatches,
    relative: Float[Tensor, "batch pairs 3 3"],
    trust: Float[Tensor, "batch pairs"],
    num_views: int,
    options: AveragingOptions,
) -> Float[Tensor, "batch views 3 3"]:
    """``cam_from_first`` of every view, by the weighted connection matrix of the pairs.

    Source: A. Singer, Angular synchronization by eigenvectors and semidefinite programming, 2011.
    """
    weights = _weight_matrix(pairs, trust, num_views, options)
    identity = torch.eye(3, dtype=trust.dtype, device=trust.device)
    least = options.min_trust * identity  # between views of which nothing is known
    # Block [b, w, v] goes from v's frame to w's: with first = v it is ``relative`` at [second,
    # first], so its transpose at [first, second].
    weighted = trust[..., None, None]
    blocks = _pair_matrix(pairs, weighted * relative.mT, weighted * relative, num_views)
    degree = weights.sum(-1).rsqrt()
    blocks = (blocks + least) * (degree[:, :, None] * degree[:, None])[..., None, None]
    size = 3 * num_views
    matrix = blocks.permute(0, 1, 3, 2, 4).reshape(len(trust), size, size)
    # Half of a view's next rotation is the one that it has: paths of even and of odd length count.
    power = (matrix + torch.eye(size, dtype=matrix.dtype, device=matrix.device)) / 2
    for _ in range(options.squarings):
        power = power @ power
    from_first = power[..., :3].unflatten(1, (num_views, 3))
    # A rotation has the Frobenius norm sqrt(3): trace norm 1 is what wahba_rotation wants.
    length = from_first.square().sum((-1, -2), keepdim=True).sqrt().clamp(min=1e-30)
    rotation = rotation_from_quat_xyzw(wahba_rotation(from_first / (3**0.5 * length)))
    return torch.cat([identity.expand(len(trust), 1, 3, 3), rotation[:, 1:]], 1)


def translation_averaging(
    pairs: ViewPairMatches,
    towards: Float[Tensor, "batch pairs 3"],
    trust: Float[Tensor, "batch pairs"],
    num_views: int,
    options: AveragingOptions,
) -> Float[Tensor, "batch views 3"]:
    """Camera centres, the first at zero, in units of the shortest distance between trusted views.

    ``towards`` are unit vectors from each pair's second centre to its first, in the world.
    Minimises ``sum trust |c_v - c_w - length * towards|^2`` with lengths of at least one, so that
    the answer has a size of its own and does not collapse.

    Source: O. Ozyesil and A. Singer, Robust camera location estimation by convex programming, 2015.
    """
    weights = _weight_matrix(pairs, trust, num_views, options)
    # The normal equations are the graph's Laplacian, without the row of the first view.
    laplacian = torch.diag_embed(weights.sum(-1)) - weights
    inner = laplacian[:, 1:, 1:]
    inner = inner + 1e-9 * torch.eye(inner.shape[-1], dtype=inner.dtype, device=inner.device)
    factor = torch.linalg.cholesky_ex(inner).L
    lengths = torch.ones_like(trust)
    centers = towards.new_zeros(len(trust), num_views, 3)
    for _ in range(options.translation_rounds):
        pull = (trust * lengths)[..., None] * towards
        right = _pair_matrix(pairs, pull, -pull, num_views).sum(2)
        centers = F.pad(torch.cholesky_solve(right[:, 1:], factor), (0, 0, 1, 0))
        # The best length for these centres, but at least one.
        baseline = pairs.of_first(centers) - pairs.of_second(centers)
        lengths = (baseline * towards).sum(-1).clamp(min=1.0)
    return centers


def _pair_matrix(
    pairs: ViewPairMatches, forward: Tensor, backward: Tensor, num_views: int
) -> Float[Tensor, "batch views views *shape"]:
    """What belongs to each pair at [first, second], and at [second, first]; zero elsewhere."""
    whole = forward.new_zeros((len(forward), num_views, num_views, *forward.shape[2:]))
    whole[pairs.scene, pairs.first, pairs.second] = forward
    whole[pairs.scene, pairs.second, pairs.first] = backward
    return whole


def _weight_matrix(
    pairs: ViewPairMatches,
    trust: Float[Tensor, "batch pairs"],
    num_views: int,
    options: AveragingOptions,
) -> Float[Tensor, "batch views views"]:
    others = 1 - torch.eye(num_views, dtype=trust.dtype, device=trust.device)
    return _pair_matrix(pairs, trust, trust, num_views) + options.min_trust * others
