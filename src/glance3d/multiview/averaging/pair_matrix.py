"""What belongs to pairs of views, as matrices over all views."""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from glance3d.multiview.matches import ViewPairMatches
from glance3d.multiview.options import AveragingOptions


def pair_matrix(
    pairs: ViewPairMatches, forward: Tensor, backward: Tensor, num_views: int
) -> Shaped[Tensor, "batch views views *shape"]:
    """What belongs to each pair at [first, second], and at [second, first]; zero elsewhere."""
    whole = forward.new_zeros((len(forward), num_views, num_views, *forward.shape[2:]))
    whole[pairs.scene, pairs.first, pairs.second] = forward
    whole[pairs.scene, pairs.second, pairs.first] = backward
    return whole


def weight_matrix(
    pairs: ViewPairMatches,
    trust: Float[Tensor, "batch pairs"],
    num_views: int,
    options: AveragingOptions,
) -> Float[Tensor, "batch views views"]:
    """How far each two views' pair is trusted, and a little between all others."""
    others = 1 - torch.eye(num_views, dtype=trust.dtype, device=trust.device)
    return pair_matrix(pairs, trust, trust, num_views) + options.min_trust * others
