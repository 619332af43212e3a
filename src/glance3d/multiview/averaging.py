"""From relative poses of pairs to one pose for each view.

Rotations are carried from the reference to every view along all paths at once: a power of the
matrix of all relative rotations, weighted by how far each is trusted (Singer 2011; Arie-Nachimson
et al. 2012). Pairs that contradict what the others agree on are then trusted less, and all is done
again (iterated reweighting; Chatterjee and Govindu 2013). Positions follow from directions whose
lengths are found in turn with the positions and are kept from vanishing (as in LUD, Ozyesil and
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
from glance3d.multiview.relative_pose import RelativePoses, ViewPairMatches

_SQUARINGS = 6  # paths of up to 64 pairs
#: In radians, round by round: a pair that is so far off is trusted by a quarter.
_CONTRADICTS = (0.7, 0.45, 0.25, 0.17, 0.17)
_ROUNDS = 12  # of lengths and positions in turn
_LEAST_TRUST = 1e-6  # keeps views that nothing is known of in place, near the others


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
def average_poses(pairs: ViewPairMatches, poses: RelativePoses, num_views: int) -> ScenePoses:
    """One pose for each view that most pairs agree with, the first view's frame being the world.

    A pair is trusted by how much of its views is matched and how much of that fits.
    """
    with torch.autocast(poses.fit.device.type, enabled=False):
        rotation, direction = poses.rotation.double(), poses.direction.double()
        trust = (pairs.amount.double() * poses.fit.double().square()) ** 1.5
        trust = trust / (trust.amax(-1, keepdim=True) + 1e-30)
        graph = _Graph(pairs, num_views)
        views, agreed = _rotation_averaging(graph, rotation, trust), trust
        for angle in _CONTRADICTS:
            error = rotation_angle(pairs.rotation(views), rotation)
            agreed = trust / (1 + (error / angle) ** 2) ** 2
            views = _rotation_averaging(graph, rotation, agreed)
        # Where the first view's camera is seen from the second's, in the world.
        towards = (pairs.of_second(views).mT @ direction[..., None])[..., 0]
        centers = _translation_averaging(graph, towards, agreed * poses.apart.double())
    return ScenePoses(views.float(), centers.float(), agreed.float())


class _Graph:
    """Views joined by pairs: from numbers of pairs to matrices of views."""

    def __init__(self, pairs: ViewPairMatches, num_views: int) -> None:
        self.pairs, self.num_views = pairs, num_views

    def matrix(self, there: Tensor, back: Tensor) -> Float[Tensor, "batch views views *shape"]:
        """What belongs to each pair at [first, second], and at [second, first]; zero elsewhere."""
        shape = (len(there), self.num_views, self.num_views, *there.shape[2:])
        whole = there.new_zeros(shape)
        pairs = self.pairs
        whole[pairs.scene, pairs.first, pairs.second] = there
        whole[pairs.scene, pairs.second, pairs.first] = back
        return whole

    def weights(self, trust: Float[Tensor, "batch pairs"]) -> Float[Tensor, "batch views views"]:
        others = 1 - torch.eye(self.num_views, dtype=trust.dtype, device=trust.device)
        return self.matrix(trust, trust) + _LEAST_TRUST * others


def _rotation_averaging(
    graph: _Graph, relative: Float[Tensor, "batch pairs 3 3"], trust: Float[Tensor, "batch pairs"]
) -> Float[Tensor, "batch views 3 3"]:
    weights = graph.weights(trust)
    batch, views = weights.shape[:2]
    identity = torch.eye(3, dtype=trust.dtype, device=trust.device)
    least = _LEAST_TRUST * identity  # between views of which nothing is known
    # [b, w, v]: from v's frame to w's.
    told = graph.matrix(trust[..., None, None] * relative.mT, trust[..., None, None] * relative)
    degree = weights.sum(-1).rsqrt()
    told = (told + least) * (degree[:, :, None] * degree[:, None])[..., None, None]
    matrix = told.permute(0, 1, 3, 2, 4).reshape(batch, 3 * views, 3 * views)
    # Half of what a view is told is what it knew: paths of even and of odd length both count.
    power = (matrix + torch.eye(3 * views, dtype=matrix.dtype, device=matrix.device)) / 2
    for _ in range(_SQUARINGS):
        power = power @ power
    from_first = power[..., :3].unflatten(1, (views, 3))
    size = from_first.square().sum((-1, -2), keepdim=True).sqrt().clamp(min=1e-30)
    rotation = rotation_from_quat_xyzw(wahba_rotation(from_first / (3**0.5 * size)))
    return torch.cat([identity.expand(batch, 1, 3, 3), rotation[:, 1:]], 1)


def _translation_averaging(
    graph: _Graph, towards: Float[Tensor, "batch pairs 3"], trust: Float[Tensor, "batch pairs"]
) -> Float[Tensor, "batch views 3"]:
    """Camera centres, the first at zero, from directions of each pair's first seen from its second.

    Minimises ``sum trust |c_v - c_w - length * towards|^2`` with lengths of at least one, so that
    the answer has a size of its own and does not collapse.
    """
    weights = graph.weights(trust)
    laplacian = torch.diag_embed(weights.sum(-1)) - weights
    inner = laplacian[:, 1:, 1:]
    inner = inner + 1e-9 * torch.eye(inner.shape[-1], dtype=inner.dtype, device=inner.device)
    factor = torch.linalg.cholesky_ex(inner).L
    lengths = torch.ones_like(trust)
    centers = towards.new_zeros(len(trust), graph.num_views, 3)
    for _ in range(_ROUNDS):
        pull = (trust * lengths)[..., None] * towards
        wanted = graph.matrix(pull, -pull).sum(2)
        centers = F.pad(torch.cholesky_solve(wanted[:, 1:], factor), (0, 0, 1, 0))
        apart = graph.pairs.of_first(centers) - graph.pairs.of_second(centers)
        lengths = (apart * towards).sum(-1).clamp(min=1.0)
    return centers
