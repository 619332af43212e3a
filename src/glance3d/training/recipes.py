"""Recipes: functions that return a full training config. The table lists them by name."""

import dataclasses
from collections.abc import Callable

from glance3d.datasets import SyntheticConfig
from glance3d.errors import ConfigError
from glance3d.models import config as models
from glance3d.training.config import OptimiserConfig, RelationPretrainingConfig, TrainConfig
from glance3d.training.losses.scene import LossWeights

# The points head gets little weight: points come from depth and cameras. A small network learns
# matching first, and cameras from it.
_LOSSES = LossWeights(
    camera=5.0, depth=1.0, points=0.5, track=0.2, matching=0.25, descriptors=1.0, pairs=1.0
)


def small_cpu_descriptors() -> TrainConfig:
    """Descriptors, and all layers below them, from true correspondences alone.

    The first hours of a ``glance-small`` on a processor with two cores. Only the layers below the
    descriptors run, without matching: twice as many scenes a minute as with all heads.
    The heads above are trained afterwards, by :func:`small_cpu`; the pair-pose network is
    pretrained before. Pictures have the area of 128 x 128 pixels, in every aspect ratio from 1:2 to
    2:1, and scenes 2 to 6 views.
    """
    return TrainConfig(
        recipe="small-cpu-descriptors",
        model=models.glance_small(),
        trainable=("aggregator.", "correspondence_head."),  # as far as the loss reaches
        data=SyntheticConfig(images_per_batch=32, num_queries=128),
        losses=LossWeights.only(descriptors=1.0),
        relation_pretraining=RelationPretrainingConfig(),
        optimiser=OptimiserConfig(
            peak_lr=6e-4, warmup_samples=600, cooldown=0.65, average_decay=0.996
        ),
        total_samples=200_000,
        num_data_workers=1,
        gradient_threads=2,
        log_every_steps=25,
        validate_every_samples=8_000,
        num_validation_batches=8,
        compile_renderer=True,
    )


def small_cpu() -> TrainConfig:
    """Descriptors and every head except the camera head, after :func:`small_cpu_descriptors`.

    On pictures of one to eight times as many pixels, with longer focal lengths, as in real photos.
    Cameras start from matches, whose inlier weights :func:`small_cpu_matches` trains.
    """
    return dataclasses.replace(
        small_cpu_descriptors(),
        recipe="small-cpu",
        trainable=(),
        data=SyntheticConfig(
            images_per_batch=48,
            num_queries=160,
            area_factors=(1, 2, 4, 8),
            fov_degrees=(15.0, 95.0),
        ),
        losses=dataclasses.replace(_LOSSES, camera=0.0, pairs=0.0),
        log_depth=True,
        track_every_steps=6,
        points_every_steps=8,
        matching_every_steps=6,
        dense_views=3,
        validate_every_samples=2_500,
        num_validation_batches=6,
    )


def small_cpu_matches() -> TrainConfig:
    """Only the pair-pose network, on the matches of trained descriptors."""
    return dataclasses.replace(
        small_cpu(),
        recipe="small-cpu-matches",
        trainable=("correspondence_head.relations.",),
        losses=LossWeights.only(pairs=1.0),
        optimiser=OptimiserConfig(
            peak_lr=1.5e-3, warmup_samples=500, cooldown=0.6, average_decay=0.99
        ),
        total_samples=20_000,
    )


def small_cpu_cameras() -> TrainConfig:
    """Only the camera head, which starts from matches: for weights whose matches are good."""
    return dataclasses.replace(
        small_cpu(),
        recipe="small-cpu-cameras",
        trainable=("camera_head.",),
        losses=LossWeights.only(camera=5.0),
        relation_pretraining=None,
        optimiser=OptimiserConfig(
            peak_lr=5e-4, warmup_samples=500, cooldown=0.6, average_decay=0.99
        ),
        total_samples=20_000,
    )


def small_h200() -> TrainConfig:
    """The same network with a larger batch and more samples, for one data-centre GPU. Untested."""
    return TrainConfig(
        recipe="small-h200",
        model=models.glance_small(),
        data=SyntheticConfig(images_per_batch=768),
        losses=_LOSSES,
        log_depth=True,
        relation_pretraining=RelationPretrainingConfig(num_steps=2000, images_per_batch=768),
        optimiser=OptimiserConfig(peak_lr=1e-3, warmup_samples=20_000, cooldown=0.5),
        total_samples=3_000_000,
        device="cuda",
        validate_every_samples=200_000,
        track_scenes=64,
        compile_renderer=True,
    )


def tiny_test() -> TrainConfig:
    """The smallest network on the smallest pictures: a few seconds, to test the training code."""
    return TrainConfig(
        recipe="tiny-test",
        model=models.tiny(),
        data=SyntheticConfig(
            images_per_batch=8,
            num_views=(2, 2),
            max_pixels=70 * 70,
            size_multiple=14,
            aspect_ratio=(1.0, 1.0),
            num_queries=32,
            num_textures=16,
            texture_size=64,
        ),
        optimiser=OptimiserConfig(peak_lr=1e-3, warmup_samples=16, average_decay=0.9),
        total_samples=64,
        precision="float32",
        track_queries=8,
        validate_every_samples=32,
        num_validation_batches=1,
    )


def da3_tiny_test() -> TrainConfig:
    """As :func:`tiny_test`, for the smallest Depth Anything 3."""
    return dataclasses.replace(
        tiny_test(),
        recipe="da3-tiny-test",
        model=models.da3_tiny(),
        losses=LossWeights.only(camera=1.0, depth=1.0, rays=0.2),
    )


RECIPES: dict[str, Callable[[], TrainConfig]] = {
    "small-cpu-descriptors": small_cpu_descriptors,
    "small-cpu": small_cpu,
    "small-cpu-matches": small_cpu_matches,
    "small-cpu-cameras": small_cpu_cameras,
    "small-h200": small_h200,
    "tiny-test": tiny_test,
    "da3-tiny-test": da3_tiny_test,
}


def build_recipe(name: str) -> TrainConfig:
    """The config of a recipe by name."""
    if name not in RECIPES:
        raise ConfigError(f"no recipe is called {name!r}: choose from {', '.join(RECIPES)}")
    return RECIPES[name]()
