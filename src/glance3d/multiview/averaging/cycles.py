"""Cycles of three views: which pairs the way through a third view confirms."""

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.geometry.rotations import rotation_angle
from glance3d.multiview.averaging.pair_matrix import pair_matrix
from glance3d.multiview.matches import ViewPairMatches
from glance3d.multiview.options import AveragingOptions


def confirmed_by_cycles(
    pairs: ViewPairMatches,
    relative: Float[Tensor, "batch pairs 3 3"],
    trust: Float[Tensor, "batch pairs"],
    num_views: int,
    options: AveragingOptions,
) -> Float[Tensor, "batch pairs"]:
    """Trust times the share of all ways round a third view that end at the pair's own rotation.

    A way counts by its weaker pair. The pair itself has a vote of ``own_vote`` times its trust, so
    that one without any such way, the only bridge between two groups of views, keeps its trust.
    ``relative`` is ``second_from_first`` of every pair.

    Source: Zach et al., Disambiguating visual relations using loop constraints, CVPR 2010.
    """
    strength = pair_matrix(pairs, trust, trust, num_views)
    # Block [w, v] goes from v's frame to w's.
    blocks = pair_matrix(pairs, relative.mT, relative, num_views)
    confirming, all_ways = torch.zeros_like(trust), torch.zeros_like(trust)
    for third in range(num_views):
        to_first, to_second = (
            blocks[pairs.scene, views, third] for views in (pairs.first, pairs.second)
        )
        weaker = torch.minimum(
            strength[pairs.scene, pairs.first, third], strength[pairs.scene, pairs.second, third]
        )
        error = rotation_angle(to_second @ to_first.mT, relative)
        confirming = confirming + weaker / (1 + (error / options.cycle_angle) ** 2) ** 2
        all_ways = all_ways + weaker
    own = options.own_vote * trust + 1e-30
    confirmed = trust * (confirming + own) / (all_ways + own)
    return confirmed / (confirmed.amax(-1, keepdim=True) + 1e-30)
