"""Several threads must find what one finds."""

import dataclasses

import pytest
import torch

from glance3d.models import VGGT, build_model
from glance3d.training import TrainConfig, build_recipe
from glance3d.training.gradients import compute_gradients, split_scenes
from glance3d.training.losses.scene import LossWeights
from tests.training.scenes import make_sample


def setting() -> tuple[VGGT, TrainConfig]:
    torch.manual_seed(0)
    config = dataclasses.replace(
        build_recipe("tiny-test"),
        losses=LossWeights(camera=1.0, depth=0.0, points=0.0, track=0.0, matching=0.0),
    )
    return build_model(config.model), config


def gradients(model: VGGT) -> dict[str, torch.Tensor]:
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def test_parts_cover_the_batch_in_order() -> None:
    sample = make_sample(batch=3, views=2)
    parts = split_scenes(sample, 2)
    assert [len(part.images) for part in parts] == [2, 1]
    assert torch.equal(torch.cat([part.tracks for part in parts]), sample.tracks)
    assert len(split_scenes(sample, 8)) == 3
    assert split_scenes(sample, 1) == [sample]


@pytest.mark.parametrize("batch", [2, 3])
def test_threads_find_the_gradients_of_the_whole_batch(batch: int) -> None:
    model, config = setting()
    sample = make_sample(batch=batch, views=2)
    alone = compute_gradients(model, sample, config, config.losses)
    expected = gradients(model)
    shared = dataclasses.replace(config, gradient_threads=2)
    together = compute_gradients(model, sample, shared, config.losses)
    threaded = gradients(model)
    torch.testing.assert_close(together["loss"], alone["loss"])
    assert threaded.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(threaded[name], gradient, rtol=1e-3, atol=1e-6)
