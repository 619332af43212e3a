"""Training of a Depth Anything 3: its losses, and the loop on the smallest one."""

import dataclasses
from pathlib import Path

import pytest
import torch

from glance3d.errors import InputError
from glance3d.geometry.cameras import unproject_depth
from glance3d.geometry.transforms import compose
from glance3d.models import build_model, load_model
from glance3d.models.config import tiny
from glance3d.models.da3.network import DA3, DA3Predictions
from glance3d.training import LossWeights, TrainConfig, Trainer, build_recipe
from glance3d.training.losses.da3 import on_the_side_of
from glance3d.training.losses.normalise import normalise_scenes
from glance3d.training.losses.objective import compute_losses
from glance3d.training.losses.rays import ray_loss, ray_targets
from glance3d.training.losses.scene import camera_loss
from glance3d.training.run.training_log import read_log
from tests.training.scenes import make_sample

SAMPLE = make_sample(batch=2, views=3, size=56)
UNUSED = ("camera_encoder.", "dense_head.coarser_ray_outputs.")


def make_config(**changes) -> TrainConfig:
    return dataclasses.replace(
        build_recipe("da3-tiny-test"),
        **{"validate_every_samples": 0, "log_every_steps": 1, "total_samples": 40} | changes,
    )


def make_trainer(out: Path, **changes) -> Trainer:
    sampler = lambda: lambda index: SAMPLE  # noqa: E731
    return Trainer(
        make_config(**changes),
        out,
        build_sampler=sampler,
        build_validation_sampler=sampler,
        show_progress=False,
    )


def build_da3() -> DA3:
    torch.manual_seed(0)
    model = build_model(make_config().model)
    assert isinstance(model, DA3)
    return model


class Oracle(DA3):
    """Says the truth, in a world that is no camera's."""

    def forward(self, images, *args, **kwargs) -> DA3Predictions:
        targets = normalise_scenes(
            SAMPLE.cam_from_world, SAMPLE.intrinsics, SAMPLE.depth, SAMPLE.valid
        )
        turned = torch.tensor([[0.0, -1, 0, 2], [1, 0, 0, -1], [0, 0, 1, 3]])
        cameras, size = compose(targets.cam_from_world, turned.expand(2, 1, 3, 4)), (56, 56)
        ray = ray_targets(cameras, SAMPLE.intrinsics, size, (32, 32))
        return DA3Predictions(
            image_size=size,
            cam_from_world=cameras,
            intrinsics=SAMPLE.intrinsics,
            depth=targets.depth,
            depth_conf=torch.ones(2, 3, 56, 56),
            ray=ray,
            ray_conf=torch.ones(2, 3, 32, 32),
        )


def test_the_truth_in_any_world_has_no_loss() -> None:
    config = make_config()
    losses = compute_losses(Oracle(config.model), SAMPLE, config)  # type: ignore[arg-type]
    assert {"camera", "depth", "rays"} <= losses.keys()
    assert losses["loss"].abs() < 1e-4


def test_rays_times_depth_are_the_points_of_their_pixels() -> None:
    rays = ray_targets(SAMPLE.cam_from_world, SAMPLE.intrinsics, (56, 56), (56, 56))
    points = rays[..., 3:] + SAMPLE.depth[..., None] * rays[..., :3]
    true = unproject_depth(SAMPLE.depth, SAMPLE.cam_from_world, SAMPLE.intrinsics)
    torch.testing.assert_close(points, true, atol=1e-4, rtol=1e-4)


def test_a_coarser_grid_has_the_mean_ray_of_its_cells() -> None:
    fine = ray_targets(SAMPLE.cam_from_world, SAMPLE.intrinsics, (56, 56), (56, 56))
    coarse = ray_targets(SAMPLE.cam_from_world, SAMPLE.intrinsics, (56, 56), (8, 28))
    means = fine.unflatten(2, (8, 7)).unflatten(4, (28, 2)).mean((3, 5))
    torch.testing.assert_close(coarse, means, atol=1e-5, rtol=1e-4)


def test_confident_errors_of_rays_cost_more() -> None:
    target = torch.zeros(1, 1, 2, 2, 6)
    wrong, sure = target + 1, torch.full((1, 1, 2, 2), 3.0)
    unsure = torch.ones_like(sure)
    assert ray_loss(wrong, unsure, target)["rays"] == 6  # L1 over six numbers
    assert ray_loss(wrong, sure, target)["rays"] > 6
    assert ray_loss(target, sure, target)["rays"] < 0


def test_cameras_begin_near_plain_ones() -> None:
    with torch.no_grad():
        predicted = build_da3()(SAMPLE.images, outputs=("camera",))
    poses, intrinsics = predicted.cameras()
    torch.testing.assert_close(poses, torch.eye(3, 4).expand_as(poses), atol=0.3, rtol=0)
    fov = 2 * torch.atan(28 / intrinsics[..., 0, 0])
    torch.testing.assert_close(fov, torch.ones_like(fov), atol=0.3, rtol=0)


def test_the_camera_loss_does_not_jump_at_a_half_turn() -> None:
    """Rotations about y by 160 degrees and by 185, whose w is 0.17 and, made positive, 0.04."""
    half = torch.deg2rad(torch.tensor([160.0, 185.0]) / 2)
    true, predicted = (torch.zeros(1, 1, 9) for _ in range(2))
    for pose_enc, angle, sign in ((true, half[0], 1), (predicted, half[1], -1)):
        pose_enc[..., 4], pose_enc[..., 6] = sign * angle.sin(), sign * angle.cos()
    assert camera_loss(predicted[None], true)["camera_rotation"] > 0.4
    assert camera_loss(on_the_side_of(true, predicted)[None], true)["camera_rotation"] < 0.1


def test_gradients_reach_every_part_that_predicts() -> None:
    model = build_da3()
    compute_losses(model, SAMPLE, make_config())["loss"].backward()
    for name, parameter in model.named_parameters():
        if name.startswith(UNUSED):
            assert parameter.grad is None, name
        else:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(
    ("loss", "head"),
    [("camera", "camera_decoder"), ("depth", "dense_head"), ("rays", "dense_head")],
)
def test_a_loss_trains_its_own_head_alone(loss: str, head: str) -> None:
    model, config = build_da3(), make_config(losses=LossWeights.only(**{loss: 1.0}))
    losses = compute_losses(model, SAMPLE, config)
    losses["loss"].backward()
    assert {"camera", "depth", "rays"} & losses.keys() == {loss}
    trained = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert trained == {"backbone", head}


@pytest.mark.long
def test_the_loss_of_one_scene_falls_and_its_weights_load(tmp_path: Path) -> None:
    make_trainer(tmp_path).run()
    first, *_, last = read_log(tmp_path / "log.jsonl", "train")
    assert last["loss"] < 0.6 * first["loss"]
    for name in ("camera", "depth", "rays"):
        assert last[name] < 0.9 * first[name], name
    assert isinstance(load_model(tmp_path / "weights.safetensors", device="cpu"), DA3)


def test_resuming_gives_the_same_weights_bit_for_bit(tmp_path: Path) -> None:
    straight = make_trainer(tmp_path / "straight")
    straight.run(max_steps=3)
    make_trainer(tmp_path / "resumed").run(max_steps=1)
    second = make_trainer(tmp_path / "resumed")
    second.resume()
    second.run(max_steps=2)
    ours, theirs = straight.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_bfloat16_and_parts_of_a_batch_train_too(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, precision="bfloat16", gradient_threads=2, log_depth=True)
    values, updated = trainer.train_step(SAMPLE)
    assert updated
    assert values["depth_scale"] > 0


def test_losses_without_a_head_are_refused_in_one_sentence() -> None:
    config = make_config(losses=LossWeights(rays=1.0))
    with pytest.raises(InputError, match="must be of camera, depth, rays, got points, track"):
        compute_losses(build_da3(), SAMPLE, config)
    config = make_config(model=tiny(), losses=LossWeights.only(rays=1.0))
    with pytest.raises(InputError, match="'rays' must be 0 for tiny"):
        compute_losses(build_model(config.model), SAMPLE, config)
