"""One pose for each view, from the relative poses of pairs that survive what contradicts them."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glance3d.multiview.averaging.cycles import confirmed_by_cycles
from glance3d.multiview.averaging.rotations import robust_rotation_averaging
from glance3d.multiview.averaging.translations import fit_directions, translation_averaging
from glance3d.multiview.matches import ViewPairMatches
from glance3d.multiview.options import AveragingOptions
from glance3d.multiview.relative_pose import RelativePoses
from glance3d.nn.precision import autocast


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
    with autocast(poses.rotation, enabled=False):
        rotation, direction = poses.rotation.double(), poses.direction.double()
        trust = pair_trust(pairs, poses, num_views, options)
        views, agreed = robust_rotation_averaging(pairs, rotation, trust, num_views, options)
        # A unit vector from the second view's centre to the first's, in the world.
        towards = (pairs.of_second(views).mT @ direction[..., None])[..., 0]
        reliable = agreed * poses.parallax_share.double()
        centers = translation_averaging(pairs, towards, reliable, num_views, options)
        centers = fit_directions(pairs, towards, reliable.sqrt(), centers, options)
    return ScenePoses(views.float(), centers.float(), trust.float())


def pair_trust(
    pairs: ViewPairMatches, poses: RelativePoses, num_views: int, options: AveragingOptions
) -> Float[Tensor, "batch pairs"]:
    """By how much of the views is matched, how much of that fits, and what cycles confirm."""
    fits = pairs.amount.double() * poses.inlier_share.double().square()
    trust = fits**options.trust_power
    trust = trust / (trust.amax(-1, keepdim=True) + 1e-30)
    return confirmed_by_cycles(pairs, poses.rotation.double(), trust, num_views, options)
