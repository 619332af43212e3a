import dataclasses
import json
import math
import os
import signal

import pytest
import torch
from PIL import Image
from safetensors import safe_open

from glance3d.errors import ConfigError, Glance3DError
from glance3d.models import load_model
from glance3d.models.config import tiny
from glance3d.training import TrainConfig, Trainer, build_recipe, load_checkpoint
from glance3d.training.data.stream import build_stream
from glance3d.training.losses.objective import compute_losses
from glance3d.training.losses.scene import LossWeights
from glance3d.training.run.training_log import read_log
from tests.training.scenes import make_sample


def build_sampler():
    return lambda index: make_sample(seed=index)


def build_one_scene():
    sample = make_sample(batch=1, views=2)
    return lambda index: sample


def make_config(**changes) -> TrainConfig:
    """Cameras, depth and matching of the tiny network: a quarter of a second a step."""
    config = dataclasses.replace(
        build_recipe("tiny-test"),
        losses=LossWeights(camera=1.0, depth=1.0, points=0.0, track=0.0, matching=0.3),
        total_samples=24,
        validate_every_samples=0,
        log_every_steps=1,
    )
    return dataclasses.replace(config, **changes)


def make_trainer(out, config=None, **options) -> Trainer:
    options = {"build_sampler": build_sampler, "build_validation_sampler": build_sampler} | options
    return Trainer(config or make_config(), out, show_progress=False, **options)


pytestmark = pytest.mark.usefixtures("single_thread")


def test_resuming_gives_the_same_weights_bit_for_bit(tmp_path):
    straight = make_trainer(tmp_path / "straight")
    straight.run(max_steps=4)

    first = make_trainer(tmp_path / "resumed")
    first.run(max_steps=2)
    second = make_trainer(tmp_path / "resumed")
    second.resume()
    assert second.progress.step == 2
    second.run(max_steps=2)

    ours, theirs = straight.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    averages = straight.average.values, second.average.values
    assert all(torch.equal(averages[0][name], averages[1][name]) for name in averages[0])


@pytest.mark.long
def test_the_loss_of_one_scene_falls(tmp_path):
    trainer = make_trainer(tmp_path, make_config(total_samples=30), build_sampler=build_one_scene)
    trainer.run()
    losses = [line["loss"] for line in read_log(tmp_path / "log.jsonl", "train")]
    assert losses[-1] < 0.7 * losses[0]


def test_steps_that_are_not_finite_are_left_out(tmp_path):
    def build_poisoned():
        def draw(index):
            sample = make_sample(seed=index)
            if index == 1:
                sample.images[0, 0, 0, 0, 0] = math.nan
            return sample

        return draw

    trainer = make_trainer(tmp_path, build_sampler=build_poisoned)
    trainer.run(max_steps=1)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.run(max_steps=1)
    after = trainer.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert trainer.progress.num_skipped == 1
    assert len(read_log(tmp_path / "log.jsonl", "skipped")) == 1
    trainer.run(max_steps=1)
    assert not all(torch.equal(before[name], trainer.model.state_dict()[name]) for name in before)


def test_what_a_run_leaves_behind(tmp_path):
    config = make_config(total_samples=4, validate_every_samples=4)
    trainer = make_trainer(tmp_path, config, evaluate=lambda model: {"auc": 0.25})
    trainer.run()
    assert json.loads((tmp_path / "config.json").read_text())["recipe"] == "tiny-test"
    assert load_checkpoint(tmp_path / "checkpoint.pt").progress.samples == 4
    assert Image.open(tmp_path / "curve.png").format == "PNG"
    (validation,) = read_log(tmp_path / "log.jsonl", "validation")
    assert validation["eval_auc"] == 0.25
    assert validation["loss"] > 0
    with safe_open(tmp_path / "weights.safetensors", "pt") as file:
        assert file.metadata()["samples"] == "4"
        assert file.metadata()["recipe"] == "tiny-test"


def test_exported_weights_load_as_a_model(tmp_path):
    trainer = make_trainer(tmp_path)
    trainer.run(max_steps=1)
    model = load_model(str(tmp_path / "weights.safetensors"), device="cpu", precision="float32")
    averaged = trainer.averaged_model()
    for name, value in model.state_dict().items():
        rounded = averaged.state_dict()[name].bfloat16().float()
        assert torch.equal(value.float(), rounded), name


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    make_trainer(tmp_path).run(max_steps=0)
    other = dataclasses.replace(tiny(), name="other", points=None)
    with pytest.raises(ConfigError, match="same network"):
        make_trainer(tmp_path, make_config(model=other)).resume()


def test_a_run_that_diverged_ends_with_advice(tmp_path):
    trainer = make_trainer(tmp_path)
    values = {"loss": math.nan, "grad_norm": math.nan}
    for _ in range(49):
        trainer._skip(values)
    with pytest.raises(Glance3DError, match="smaller peak_lr"):
        trainer._skip(values)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_finishes_the_step_and_saves(tmp_path):
    def build_interrupting():
        def draw(index):
            if index == 1:
                os.kill(os.getpid(), signal.SIGINT)
            return make_sample(seed=index)

        return draw

    trainer = make_trainer(tmp_path, build_sampler=build_interrupting)
    trainer.run()
    assert trainer.progress.step == 2
    assert load_checkpoint(tmp_path / "checkpoint.pt").progress.step == 2


def test_every_used_parameter_gets_a_gradient():
    config = build_recipe("tiny-test")
    from glance3d.models import build_model

    torch.manual_seed(0)
    model = build_model(config.model)
    sample = make_sample(batch=1, views=2)
    losses = compute_losses(model, sample, config)
    losses["loss"].backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert without == ["aggregator.patch_embed.mask_token"] or without == []
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.long
def test_worker_batches_come_in_order_and_equal_inline_ones():
    with build_stream(build_sampler_for_workers, 5, 2) as stream:
        drawn = [stream.next_batch() for _ in range(4)]
    for index, sample in enumerate(drawn, start=5):
        expected = make_sample(batch=1, views=2, size=28, seed=index)
        assert torch.equal(sample.images, expected.images)


def build_sampler_for_workers():
    return draw_small


def draw_small(index: int):
    return make_sample(batch=1, views=2, size=28, seed=index)


@pytest.mark.long
def test_an_error_in_a_worker_reaches_the_trainer():
    with (
        build_stream(build_failing_sampler, 0, 1) as stream,
        pytest.raises(Glance3DError, match="no scenes today"),
    ):
        stream.next_batch()


def build_failing_sampler():
    raise ValueError("no scenes today")
