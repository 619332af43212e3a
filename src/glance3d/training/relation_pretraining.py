"""Pretraining of the network for relative poses, on simulated matches.

The pair-pose network takes positions of matches only, so true correspondences of synthetic scenes
with simulated errors train it as well as pictures do, and cost much less: no scene is rendered, and
no other part of the network runs.
"""

import dataclasses

import torch
from torch import Tensor, nn
from tqdm import tqdm

from glance3d.datasets import SyntheticConfig, SyntheticScenes
from glance3d.datasets.synthetic.places import TruePlaces
from glance3d.models.heads.pair_pose_network import PairPoseNet
from glance3d.multiview.matches import SoftMatches, cell_centers
from glance3d.training.config import RelationPretrainingConfig
from glance3d.training.losses.correspondence import pair_loss
from glance3d.training.losses.scene import Losses
from glance3d.training.schedule import learning_rate_factor

_MIN_SHARED = 0.08  # share of a view's cells that a pair must share to count in the loss


def pretrain_relations(
    relations: PairPoseNet,
    data: SyntheticConfig,
    cell: int,
    config: RelationPretrainingConfig,
    seed: int = 0,
    *,
    precision: str = "float32",
    show_progress: bool = True,
) -> Losses:
    """Train ``relations`` in place and return the last step's losses; ``seed`` fixes all draws."""
    device = next(relations.parameters()).device
    scenes = _scenes(data, config, seed, device)
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(
        relations.parameters(), config.peak_lr, betas=(0.9, 0.95), weight_decay=0.01
    )
    losses: Losses = {}
    for step in tqdm(range(config.num_steps), "pretraining", disable=not show_progress):
        factor = learning_rate_factor(
            step / config.num_steps, step, config.warmup_steps, 1.0, floor=0.01
        )
        for group in optimiser.param_groups:
            group["lr"] = config.peak_lr * factor
        places = scenes.places(step, cell)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            losses = pretraining_losses(relations, places, config.cells_per_view, generator)
        optimiser.zero_grad(set_to_none=True)
        losses["pairs"].backward()
        nn.utils.clip_grad_norm_(relations.parameters(), 1.0)
        optimiser.step()
    return {name: value.detach() for name, value in losses.items()}


def _scenes(
    data: SyntheticConfig, config: RelationPretrainingConfig, seed: int, device: torch.device
) -> SyntheticScenes:
    small_textures = {"texture_size": 64, "num_textures": 16}  # nothing is rendered
    data = dataclasses.replace(data, images_per_batch=config.images_per_batch, **small_textures)
    return SyntheticScenes(data, seed, device=device)


def pretraining_losses(
    relations: PairPoseNet,
    places: TruePlaces,
    cells_per_view: int,
    generator: torch.Generator,
) -> Losses:
    """The pair loss on a batch of simulated matches."""
    matches = simulate_matches(places, cells_per_view, generator)
    relation = relations(matches, places.grid)
    shared = places.seen.float().mean(-1) - _MIN_SHARED
    with torch.autocast(shared.device.type, enabled=False):
        return pair_loss(
            relation,
            matches,
            places.grid,
            places.cam_from_world,
            places.intrinsics,
            shared,
            places.image_size,
        )


def simulate_matches(
    places: TruePlaces, cells_per_view: int, generator: torch.Generator
) -> SoftMatches:
    """True positions with errors like those of descriptors, from nearly none to mostly wrong.

    A random difficulty of each pair of views sets the share of wrong matches, the error of right
    ones (0.15 to 0.5 of a cell), and how well confidences separate the two. Cells that are not
    visible in the other view match a random position.
    """
    device = places.pixels.device
    count = places.seen.shape[-1]
    chosen = torch.randperm(count, generator=generator)[:cells_per_view].to(device)
    truth, seen = places.pixels[..., chosen, :] / places.cell - 0.5, places.seen[..., chosen]

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator).to(device)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device)

    difficulty = uniform(*seen.shape[:3], 1)
    wrong = (uniform(*seen.shape) < 0.05 + 0.5 * difficulty) | ~seen
    limit = truth.new_tensor([places.grid[1] - 1.0, places.grid[0] - 1.0])
    error = (0.15 + 0.35 * difficulty)[..., None] * normal(*truth.shape)
    right_xy = torch.nan_to_num(truth).clamp(-2.0, 1e4) + error
    target_xy = torch.where(wrong[..., None], uniform(*truth.shape) * limit, right_xy)
    target_xy = torch.minimum(target_xy.clamp(min=0), limit)
    separation = 1.8 - 1.2 * difficulty
    logit = torch.where(wrong, -separation, separation)
    window_probability = (logit + 0.7 * (1 - difficulty) + 1.3 * normal(*seen.shape)).sigmoid()
    mutual = (logit - 0.7 + 1.5 * normal(*seen.shape)).sigmoid()
    source_xy = cell_centers(places.grid, device)[chosen].expand_as(target_xy)
    return SoftMatches(source_xy, target_xy, window_probability, mutual)
