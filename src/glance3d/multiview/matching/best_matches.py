"""The best matches of every two views: what poses are estimated from."""

import torch

from glance3d.multiview.matches import Correspondence, ViewPairMatches, grid_to_hd
from glance3d.multiview.options import PairSelectionOptions


def select_pair_matches(matched: Correspondence, options: PairSelectionOptions) -> ViewPairMatches:
    """The best matches of every two views, or of those that share most, if there are many.

    A match counts by its weight times the probability that it is right; matches from both sides
    compete.
    """
    matches, estimates, grid = matched.matches, matched.pair_estimates, matched.grid
    views, (batch, _, _, cells) = matched.num_views, estimates.weight.shape
    weight = estimates.weight.float() * estimates.inlier_logits.float().sigmoid()
    scene = torch.arange(batch, device=weight.device)[:, None]
    if matched.pairs is None:
        pairs = torch.triu_indices(views, views, 1, device=weight.device)
        first, second = (each.expand(batch, -1) for each in pairs)
        # Index [v, w] are matches of the cells of v in w: both directions of each pair.
        directions = ((first, second), (second, first))
    else:
        first, second = matched.pairs
        of_pair = torch.arange(first.shape[1], device=weight.device).expand_as(first)
        directions = tuple((torch.full_like(of_pair, side), of_pair) for side in (0, 1))
    amount = weight.mean(-1)
    # Of both directions, one number for each unordered pair.
    amount = (amount[scene, *directions[0]] + amount[scene, *directions[1]]) / 2
    num_pairs = min(first.shape[1], options.pairs_per_view * views)
    amount, kept = amount.topk(num_pairs, -1)
    first, second = first.gather(-1, kept), second.gather(-1, kept)
    forward, backward = (
        (scene, *(index.gather(-1, kept) for index in direction)) for direction in directions
    )
    both = torch.cat([weight[forward], weight[backward]], -1)
    weight, best = both.topk(min(options.matches_per_pair, 2 * cells), -1)
    best = best[..., None].expand(-1, -1, -1, 2)
    sources, targets = (
        [grid_to_hd(xy[direction], grid) for direction in (forward, backward)]
        for xy in (matches.source_xy, matches.target_xy)
    )
    first_hd = torch.cat([sources[0], targets[1]], -2).gather(-2, best)
    second_hd = torch.cat([targets[0], sources[1]], -2).gather(-2, best)
    weight = weight / (weight.sum(-1, keepdim=True) + 1e-6)
    return ViewPairMatches(first, second, first_hd, second_hd, weight, amount)
