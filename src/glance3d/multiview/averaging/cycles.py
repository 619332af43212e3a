"""Cycles of three views: which pairs the way through a third view confirms."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from glance3d.geometry.rotations import rotation_angle
from glance3d.multiview.averaging.pair_matrix import pair_matrix
from glance3d.multiview.matches import ViewPairMatches
from glance3d.multiview.options import AveragingOptions

#: Ways round so many other views are looked at: a view is seldom in more pairs.
MOST_THIRDS = 48


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
    # Which pair two views are, counted from one; zero where they are none, which has no strength.
    number = torch.arange(1, 1 + trust.shape[1], device=trust.device).expand(trust.shape)
    numbers = pair_matrix(pairs, number, -number, num_views)

    def rotation_between(
        views: Int[Tensor, "batch pairs"], third: Int[Tensor, "batch pairs"]
    ) -> Float[Tensor, "batch pairs 3 3"]:
        """``view_from_third``; of views that are no pair, any."""
        chosen = numbers[pairs.scene, views, third]
        forward = relative[pairs.scene, (chosen.abs() - 1).clamp(min=0)]
        return torch.where((chosen > 0)[..., None, None], forward.mT, forward)

    confirming, all_ways = torch.zeros_like(trust), torch.zeros_like(trust)
    for third in _thirds(pairs, strength):
        to_first, to_second = (
            rotation_between(views, third) for views in (pairs.first, pairs.second)
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


def _thirds(
    pairs: ViewPairMatches, strength: Float[Tensor, "batch views views"]
) -> Iterator[Int[Tensor, "batch pairs"]]:
    """Views to go round by: all, or, if there are many, those that the first view trusts most."""
    num_views = strength.shape[1]
    if num_views <= MOST_THIRDS:
        nearest = torch.arange(num_views, device=strength.device).expand(strength.shape)
    else:
        nearest = strength.topk(MOST_THIRDS, -1).indices
    return iter(pairs.of_first(nearest).unbind(-1))
