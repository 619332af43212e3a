"""The correspondence layer's losses against cases whose answers are known."""

import dataclasses
import math

import pytest
import torch

from glance3d.datasets import MultiViewSample
from glance3d.errors import InputError
from glance3d.geometry.cameras import project_points
from glance3d.geometry.transforms import invert, transform_points
from glance3d.models import build_model
from glance3d.models.config import CorrespondenceConfig, ModelConfig, StemEmbedConfig, tiny
from glance3d.multiview.matches import Descriptors, PairEstimates, SoftMatches, cell_centers
from glance3d.training import build_recipe
from glance3d.training.losses.correspondence import (
    descriptor_loss,
    match_is_right,
    pair_loss,
    pair_pose_targets,
)
from glance3d.training.losses.objective import compute_losses
from glance3d.training.losses.scene import LossWeights
from tests.training.scenes import make_sample

CORNERS = torch.tensor([[0.0, 0], [1, 0], [0, 1], [1, 1]])


def mirrored_views(inverse_temperature: float) -> tuple[Descriptors, torch.Tensor]:
    """Two views of 2 x 2 cells; the second shows the cells of the first in reverse order."""
    code = torch.eye(4)
    descriptors = torch.stack([code, code.flip(0)])[None].requires_grad_()
    numbers = torch.tensor(inverse_temperature), torch.tensor(0.0)
    return Descriptors(descriptors, (2, 2), *numbers), torch.stack([CORNERS, CORNERS.flip(0)])[None]


def test_right_descriptors_cost_nothing() -> None:
    described, tracks = mirrored_views(40.0)
    losses = descriptor_loss(described, tracks, torch.ones(1, 2, 4, dtype=torch.bool))
    assert float(losses["descriptors"].detach()) < 1e-5
    assert float(losses["descriptor_top1"]) == 1


def test_knowing_nothing_costs_the_logarithm_of_cells_and_unseen() -> None:
    described, tracks = mirrored_views(0.0)
    losses = descriptor_loss(described, tracks, torch.ones(1, 2, 4, dtype=torch.bool))
    assert float(losses["descriptors"].detach()) == pytest.approx(math.log(5), rel=1e-5)


def test_points_that_are_hidden_are_taught_to_be_unseen() -> None:
    described, tracks = mirrored_views(40.0)
    hidden = torch.tensor([[[True] * 4, [False] * 4]])
    losses = descriptor_loss(described, tracks, hidden)
    assert float(losses["descriptors"].detach()) == pytest.approx(40, rel=1e-3)


def test_points_seen_nowhere_do_not_count() -> None:
    described, tracks = mirrored_views(10.0)
    losses = descriptor_loss(described, tracks, torch.zeros(1, 2, 4, dtype=torch.bool))
    losses["descriptors"].backward()
    assert float(losses["descriptors"].detach()) == 0
    assert described.descriptors.grad is not None
    assert described.descriptors.grad.isfinite().all()


SIZE = (56, 56)
GRID = (7, 7)


def exact_matches(sample: MultiViewSample) -> SoftMatches:
    """Where the cells of each view truly are in the others, inside the image or not."""
    cells = (cell_centers(GRID, torch.device("cpu")) + 0.5) * 8
    pixel = cells.long()
    depth = sample.depth[..., pixel[:, 1], pixel[:, 0]]
    rays = (cells - sample.intrinsics[:, :, None, :2, 2]) / sample.intrinsics[0, 0, 0, 0]
    points = torch.cat([rays, torch.ones_like(rays[..., :1])], -1) * depth[..., None]
    world = transform_points(invert(sample.cam_from_world), points)
    views = world.shape[1]
    everywhere = world.flatten(1, 2)[:, None].expand(-1, views, -1, -1)
    pixels, _ = project_points(everywhere, sample.cam_from_world, sample.intrinsics)
    target_xy = pixels.unflatten(2, (views, -1)).transpose(1, 2) / 8 - 0.5
    sure = torch.ones(target_xy.shape[:-1])
    source_xy = cell_centers(GRID, torch.device("cpu")).expand_as(target_xy)
    return SoftMatches(source_xy, target_xy, sure, sure)


def relations_saying(pose_enc: torch.Tensor, logits: torch.Tensor) -> PairEstimates:
    others = 1 - torch.eye(pose_enc.shape[1])
    weight = others[:, :, None].expand(logits.shape)
    return PairEstimates(weight, weight[..., 0], pose_enc, logits)


def test_the_true_poses_and_matches_cost_nothing() -> None:
    sample = make_sample(batch=2, views=3)
    target = pair_pose_targets(sample.cam_from_world, sample.intrinsics, SIZE)
    matches = exact_matches(sample)
    estimates = relations_saying(target, torch.full(matches.window_probability.shape, 30.0))
    shared = torch.ones(2, 3, 3)
    truth = (sample.cam_from_world, sample.intrinsics)
    losses = pair_loss(estimates, matches, GRID, *truth, shared, SIZE)
    assert float(losses["pairs"]) < 1e-5
    assert target[..., 7:].allclose(torch.tensor(math.radians(60)))
    forward, backward = target[:, 0, 1, 3:7], target[:, 1, 0, 3:7]
    torch.testing.assert_close(forward * torch.tensor([-1, -1, -1, 1]), backward, atol=1e-5, rtol=0)


def test_matches_off_their_line_are_wrong() -> None:
    sample = make_sample(batch=1, views=2)
    target = pair_pose_targets(sample.cam_from_world, sample.intrinsics, SIZE)
    matches = exact_matches(sample)
    right = match_is_right(matches, GRID, target, sample.intrinsics, SIZE)
    assert right[:, 0, 1].all()
    assert right[:, 1, 0].all()
    # Two cells across the line, which runs along the true direction of movement.
    normal = torch.tensor([0.0, 0.0])
    for shift in torch.eye(2):
        moved = matches._replace(target_xy=matches.target_xy + 4 * shift)
        wrong = ~match_is_right(moved, GRID, target, sample.intrinsics, SIZE)[0, 0, 1]
        normal = torch.maximum(normal, wrong.float().mean() * torch.ones(2))
    assert normal.min() > 0.9


def test_pairs_that_share_nothing_do_not_count() -> None:
    sample = make_sample(batch=1, views=2)
    wrong = torch.full((1, 2, 2, 9), 3.0, requires_grad=True)
    matches = exact_matches(sample)
    estimates = relations_saying(wrong, torch.zeros(matches.window_probability.shape))
    truth = (sample.cam_from_world, sample.intrinsics)
    loss = pair_loss(estimates, matches, GRID, *truth, torch.zeros(1, 2, 2), SIZE)["pairs"]
    loss.backward()
    assert float(loss.detach()) == 0
    assert wrong.grad is not None
    assert not wrong.grad.any()


def matching_config() -> ModelConfig:
    stem = dataclasses.asdict(StemEmbedConfig(base_channels=8))
    fields = tiny().to_dict() | {"patch_size": 16, "patch_embed": stem}
    return dataclasses.replace(ModelConfig.from_dict(fields), correspondence=CorrespondenceConfig())


def test_descriptors_learn_to_tell_places_apart() -> None:
    torch.manual_seed(0)
    config = dataclasses.replace(
        build_recipe("tiny-test"),
        model=matching_config(),
        losses=LossWeights(0.0, 0.0, 0.0, 0.0, 0.0, descriptors=1.0),
    )
    model = build_model(config.model)
    sample = make_sample(batch=2, views=2, size=64)
    sample = dataclasses.replace(sample, images=sample.images[:, :1].expand(-1, 2, -1, -1, -1))
    tracks = sample.tracks[:, :1].expand(-1, 2, -1, -1)
    sample = dataclasses.replace(
        sample, tracks=tracks, visibility=torch.ones(2, 2, tracks.shape[2], dtype=torch.bool)
    )
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    history = []
    for _ in range(30):
        losses = compute_losses(model, sample, config)
        optimiser.zero_grad()
        losses["loss"].backward()
        optimiser.step()
        history.append(float(losses["descriptors"].detach()))
    assert history[-1] < 0.5 * history[0]


def test_a_network_without_the_head_cannot_be_taught_so() -> None:
    config = dataclasses.replace(build_recipe("tiny-test"), losses=LossWeights(descriptors=1.0))
    with pytest.raises(InputError, match="correspondence head"):
        compute_losses(build_model(tiny()), make_sample(), config)


def test_a_step_in_bfloat16() -> None:
    torch.manual_seed(0)
    config = dataclasses.replace(
        build_recipe("tiny-test"),
        model=matching_config(),
        losses=LossWeights(1.0, 0.0, 0.0, 0.0, 0.0, descriptors=1.0, pairs=1.0),
        precision="bfloat16",
    )
    model = build_model(config.model)
    losses = compute_losses(model, make_sample(size=64), config)
    losses["loss"].backward()
    assert losses["loss"].isfinite()
    exact = compute_losses(
        model, make_sample(size=64), dataclasses.replace(config, precision="float32")
    )
    torch.testing.assert_close(losses["pairs"], exact["pairs"], rtol=0.1, atol=0.05)
