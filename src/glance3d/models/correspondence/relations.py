"""Two views, many matches: what they say together about how the views lie to each other."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from glance3d.models.config import CorrespondenceConfig
from glance3d.models.correspondence.matches import Matches, cell_positions, grid_to_unit
from glance3d.nn.mlp import Mlp
from glance3d.nn.precision import LayerNorm, Linear

_NUM_FEATURES = 14
PAIR_POSE_DIM = 9


class Relations(NamedTuple):
    """What is known of each cell against each other view, and of each pair of views.

    ``weight`` is how far a cell's match may be trusted, 0 to 1 (0 against its own view).
    ``pose_enc`` is each pair's own guess: translation direction (of any length), quaternion x y z w
    of ``camw_from_camv``, and the field of view (vertical, horizontal) of view ``v``.
    """

    cells: Float[Tensor, "batch views views cells hidden"]
    weight: Float[Tensor, "batch views views cells"]
    pairs: Float[Tensor, "batch views views dim"]
    pose_enc: Float[Tensor, "batch views views 9"]


class PairRelations(nn.Module):
    """A network on sets of matches (PointNet, Qi et al. 2017), the set's summary given back twice.

    Its input are positions only, so that it knows nothing of pictures.
    """

    def __init__(self, config: CorrespondenceConfig) -> None:
        super().__init__()
        hidden, self.num_pools = config.hidden_dim, config.num_pools
        self.embed = Linear(_NUM_FEATURES, hidden)
        self.rounds = nn.ModuleList(_SetRound(hidden) for _ in range(config.num_rounds))
        self.norm = LayerNorm(hidden)
        self.pool_scores = Linear(hidden, config.num_pools)
        self.summary = Mlp(hidden * config.num_pools + 1, 2 * config.pair_dim, config.pair_dim)
        self.pair_norm = LayerNorm(config.pair_dim)
        self.pose_mlp = Mlp(config.pair_dim, config.pair_dim, PAIR_POSE_DIM)
        with torch.no_grad():  # begin at no rotation and one radian's view, as the camera head does
            self.pose_mlp.fc2.weight.mul_(0.1)
            self.pose_mlp.fc2.bias.copy_(torch.tensor([0.0, 0, 0, 0, 0, 0, 1, 1, 1]))

    def forward(self, matches: Matches, grid: tuple[int, int]) -> Relations:
        """Read the matches of all pairs of views; ``grid`` is (rows, columns) of the cells."""
        features, weight = _describe(matches, grid)
        x = self.embed(features)
        for one_round in self.rounds:
            x = one_round(x, weight)
        x = self.norm(x)
        logits = self.pool_scores(x).float() + (weight[..., None] + 1e-4).log()
        pooled = torch.einsum("bvwnk,bvwnh->bvwkh", logits.softmax(-2), x.float()).flatten(-2)
        amount = (weight.mean(-1, keepdim=True) + 1e-3).log()
        pairs = self.pair_norm(self.summary(torch.cat([pooled, amount], -1)))
        return Relations(x, weight, pairs, self.pose_mlp(pairs).float())


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
        x: Float[Tensor, "batch views views cells hidden"],
        weight: Float[Tensor, "batch views views cells"],
    ) -> Float[Tensor, "batch views views cells hidden"]:
        """``x`` plus a function of each match and of the mean over all."""
        inner = F.gelu(self.fc1(self.norm(x)))
        share = weight / (weight.sum(-1, keepdim=True) + 1e-3)
        mean = share[..., None, :].to(inner.dtype) @ inner
        return x + self.fc2(inner) + self.from_mean(mean)


def _describe(
    matches: Matches, grid: tuple[int, int]
) -> tuple[
    Float[Tensor, "batch views views cells features"], Float[Tensor, "batch views views cells"]
]:
    """Numbers of each match, and its weight.

    The products of the coordinates of both places are what the epipolar constraint is linear in.
    """
    to = grid_to_unit(matches.position, grid)
    own = grid_to_unit(cell_positions(grid, to.device), grid).expand_as(to)
    moved = 4 * (to - own)
    products = (own[..., :, None] * to[..., None, :]).flatten(-2)
    squares = own * own - to * to
    views = matches.inside.shape[1]
    others = 1 - torch.eye(views, device=to.device)
    weight = matches.inside * matches.mutual * others[:, :, None]
    sure = torch.stack([matches.inside, matches.mutual], -1)
    return torch.cat([own, to, moved, 4 * products, 4 * squares, sure], -1), weight
