"""Two views, many matches: what they say together about how the views lie to each other."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from glance3d.models.config import CorrespondenceConfig
from glance3d.models.heads.two_view_features import (
    NUM_DIRECTIONS,
    NUM_PAIR_FEATURES,
    NUM_ROTATIONS,
    pose_candidates,
    two_view_features,
)
from glance3d.multiview.matches import PairEstimates, SoftMatches, grid_to_hd
from glance3d.multiview.options import EightPointOptions
from glance3d.nn.mlp import Mlp
from glance3d.nn.precision import LayerNorm, Linear

_NUM_FEATURES = 14
PAIR_POSE_DIM = 9


class PairPoseNet(nn.Module):
    """Sets of matches to relative poses, in the steps of a solver: sort out, solve, judge.

    Rounds over the set (PointNet, Qi et al. 2017) say which matches are right (Yi et al. 2018),
    geometry gives candidate poses from those (:mod:`.two_view_features`), a last round sees how
    well each match fits them, and the pose is a learned blend of the candidates, corrected. The
    input are positions only, so that nothing here knows of pictures.
    """

    def __init__(self, config: CorrespondenceConfig, options: EightPointOptions) -> None:
        super().__init__()
        self.options = options
        hidden, dim = config.hidden_dim, config.pair_dim
        self.embed = Linear(_NUM_FEATURES, hidden)
        self.rounds = nn.ModuleList(_SetRound(hidden) for _ in range(config.num_rounds))
        self.inlier = Mlp(hidden, hidden, 1)
        self.embed_fit = Linear(2, hidden)
        self.last_round = _SetRound(hidden)
        self.norm = LayerNorm(hidden)
        self.pool_scores = Linear(hidden, config.num_pools)
        num_summary = hidden * config.num_pools + NUM_PAIR_FEATURES + 1
        self.summary = Mlp(num_summary, 2 * dim, dim)
        self.blend = Mlp(dim, dim, NUM_ROTATIONS + NUM_DIRECTIONS)
        self.correct = Mlp(dim, dim, PAIR_POSE_DIM)
        with torch.no_grad():  # begin at one radian's view and the candidates' mean pose
            self.correct.fc2.weight.mul_(0.1)
            self.correct.fc2.bias.copy_(torch.tensor([0.0, 0, 0, 0, 0, 0, 0.1, 1, 1]))

    def forward(
        self, matches: SoftMatches, grid: tuple[int, int], first_view: int | None = 0
    ) -> PairEstimates:
        """Read the matches of all pairs of views; ``grid`` is (rows, columns) of the cells.

        Pairs do not know of each other: matches of some views only, against all views, may be read
        on their own. ``first_view`` is then the first of them; None where no view is matched with
        itself.
        """
        first_hd, second_hd, features, weight = _describe(matches, grid, first_view)
        x = self.embed(features)
        for one_round in self.rounds:
            x = one_round(x, weight)
        inlier_logits = self.inlier(x)[..., 0].float()
        inlier = inlier_logits.detach().sigmoid()
        geometry = two_view_features(first_hd, second_hd, weight * inlier, self.options)
        x = x + self.embed_fit(torch.stack([geometry.inlier_weight, inlier], -1))
        x = self.norm(self.last_round(x, weight * inlier * geometry.inlier_weight))
        logits = self.pool_scores(x).float() + (weight[..., None] + 1e-4).log()
        pooled = torch.einsum("bvwnk,bvwnh->bvwkh", logits.softmax(-2), x.float()).flatten(-2)
        amount = (weight.mean(-1, keepdim=True) + 1e-3).log()
        summary = self.summary(torch.cat([pooled, geometry.pairs, amount], -1))
        pose_enc = self._blend(summary, geometry.pairs) + self.correct(summary).float()
        trust = (weight * inlier * geometry.inlier_weight).mean(-1)
        return PairEstimates(weight, trust, pose_enc, inlier_logits)

    def _blend(
        self,
        summary: Float[Tensor, "batch own views dim"],
        features: Float[Tensor, "batch own views features"],
    ) -> Float[Tensor, "batch own views 9"]:
        """The candidates' weighted mean; the field of view is left to the correction."""
        rotations, directions = pose_candidates(features)
        weights = self.blend(summary).float()
        of_rotation, of_direction = weights.split([NUM_ROTATIONS, NUM_DIRECTIONS], -1)
        rotation = (of_rotation.softmax(-1)[..., None] * rotations).sum(-2)
        direction = (of_direction.softmax(-1)[..., None] * directions).sum(-2)
        return torch.cat([direction, rotation, torch.zeros_like(rotation[..., :2])], -1)


class _SetRound(nn.Module):
    """Each match looks at itself and at the weighted mean of all matches of its pair of views."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.norm = LayerNorm(hidden)
        self.fc1 = Linear(hidden, 2 * hidden)
        self.fc2 = Linear(2 * hidden, hidden)
        self.from_mean = Linear(2 * hidden, hidden)

    def forward(
        self,
        x: Float[Tensor, "batch own views cells hidden"],
        weight: Float[Tensor, "batch own views cells"],
    ) -> Float[Tensor, "batch own views cells hidden"]:
        """``x`` plus a function of each match and of the mean over all."""
        inner = F.gelu(self.fc1(self.norm(x)))
        share = weight / (weight.sum(-1, keepdim=True) + 1e-3)
        mean = share[..., None, :].to(inner.dtype) @ inner
        return x + self.fc2(inner) + self.from_mean(mean)


def _describe(
    matches: SoftMatches, grid: tuple[int, int], first_view: int | None
) -> tuple[
    Float[Tensor, "batch own views cells 2"],
    Float[Tensor, "batch own views cells 2"],
    Float[Tensor, "batch own views cells features"],
    Float[Tensor, "batch own views cells"],
]:
    """Both places of each match in half diagonals, numbers about it, and its weight.

    The products of the coordinates of both places are what the epipolar constraint is linear in.
    """
    first_hd = grid_to_hd(matches.source_xy, grid)
    second_hd = grid_to_hd(matches.target_xy, grid)
    moved = 4 * (second_hd - first_hd)
    products = (first_hd[..., :, None] * second_hd[..., None, :]).flatten(-2)
    squares = first_hd * first_hd - second_hd * second_hd
    num_own, num_views = matches.mutual.shape[1:3]
    others = torch.ones(num_own, num_views, 1, device=second_hd.device)
    if first_view is not None:
        others.diagonal(first_view).zero_()
    weight = matches.window_probability * matches.mutual * others
    sure = torch.stack([matches.window_probability, matches.mutual], -1)
    features = torch.cat([first_hd, second_hd, moved, 4 * products, 4 * squares, sure], -1)
    return first_hd, second_hd, features, weight
