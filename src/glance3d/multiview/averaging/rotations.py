"""Rotation averaging: from relative rotations of pairs to one for each view.

Rotations are carried from the reference to every view along all paths at once: a power of the
matrix of all relative rotations, weighted by how far each is trusted (Singer 2011; Arie-Nachimson
et al. 2012), or, of many views, as many products with it. Pairs that contradict what the others
agree on are then trusted less, and all is done again (iterated reweighting; Chatterjee and Govindu
2013). A view that shares nothing with the reference is thus placed through the views between them.
Nothing here waits for a device.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.rotations import rotation_angle, rotation_from_quat_xyzw
from glance3d.geometry.sync_free_linalg import wahba_rotation
from glance3d.multiview.averaging.pair_matrix import pair_matrix, weight_matrix
from glance3d.multiview.matches import ViewPairMatches
from glance3d.multiview.options import AveragingOptions

#: Up to so many views the whole matrix is squared: from there on steps are faster.
MOST_SQUARED_VIEWS = 192


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
    if num_views <= MOST_SQUARED_VIEWS:
        from_first = _carried_by_squares(pairs, relative, trust, num_views, options)
    else:
        from_first = _carried_by_steps(pairs, relative, trust, num_views, options)
    # A rotation has the Frobenius norm sqrt(3): trace norm 1 is what wahba_rotation wants.
    length = from_first.square().sum((-1, -2), keepdim=True).sqrt().clamp(min=1e-30)
    rotation = rotation_from_quat_xyzw(wahba_rotation(from_first / (3**0.5 * length)))
    identity = torch.eye(3, dtype=trust.dtype, device=trust.device)
    return torch.cat([identity.expand(len(trust), 1, 3, 3), rotation[:, 1:]], 1)


def _carried_by_squares(
    pairs: ViewPairMatches,
    relative: Float[Tensor, "batch pairs 3 3"],
    trust: Float[Tensor, "batch pairs"],
    num_views: int,
    options: AveragingOptions,
) -> Float[Tensor, "batch views 3 3"]:
    """Multiples of the rotations, along all paths of at most ``2 ** squarings`` pairs."""
    weights = weight_matrix(pairs, trust, num_views, options)
    identity = torch.eye(3, dtype=trust.dtype, device=trust.device)
    least = options.min_trust * identity  # between views of which nothing is known
    # Block [b, w, v] goes from v's frame to w's: with first = v it is ``relative`` at [second,
    # first], so its transpose at [first, second].
    weighted = trust[..., None, None]
    blocks = pair_matrix(pairs, weighted * relative.mT, weighted * relative, num_views)
    degree = weights.sum(-1).rsqrt()
    blocks = (blocks + least) * (degree[:, :, None] * degree[:, None])[..., None, None]
    size = 3 * num_views
    matrix = blocks.permute(0, 1, 3, 2, 4).reshape(len(trust), size, size)
    # Half of a view's next rotation is the one that it has: paths of even and of odd length count.
    power = (matrix + torch.eye(size, dtype=matrix.dtype, device=matrix.device)) / 2
    for _ in range(options.squarings):
        power = power @ power
    return power[..., :3].unflatten(1, (num_views, 3))


def _carried_by_steps(
    pairs: ViewPairMatches,
    relative: Float[Tensor, "batch pairs 3 3"],
    trust: Float[Tensor, "batch pairs"],
    num_views: int,
    options: AveragingOptions,
) -> Float[Tensor, "batch views 3 3"]:
    """As :func:`_carried_by_squares`, step by step, in time that grows with the pairs."""
    batch, shape = len(trust), (len(trust), num_views, 3, 3)
    index = torch.cat([pairs.first, pairs.second], 1), torch.cat([pairs.second, pairs.first], 1)
    to, start = ((pairs.scene.expand(each.shape), each) for each in index)
    weighted = trust[..., None, None]
    blocks = torch.cat([weighted * relative.mT, weighted * relative], 1)
    # Each view's own trust, and a little between all views.
    degree = trust.new_full((batch, num_views), options.min_trust * (num_views - 1))
    degree = degree.index_put(to, torch.cat([trust, trust], 1), accumulate=True)
    share = degree.rsqrt()[..., None, None]
    carried = trust.new_zeros(shape)
    carried[:, 0] = torch.eye(3, dtype=trust.dtype, device=trust.device)
    for _ in range(2**options.squarings):
        scaled = share * carried
        # Of views of which nothing is known, the little between all of them.
        moved = (options.min_trust * scaled.sum(1, keepdim=True)).expand(shape).contiguous()
        arriving = (blocks[..., None] * scaled[start][..., None, :, :]).sum(-2)
        moved = moved.index_put(to, arriving, accumulate=True)
        # Half of a view's next rotation is the one that it has, as in the matrix that is squared.
        carried = (carried + share * moved) / 2
    return carried
