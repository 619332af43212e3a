"""A small stream whose batches several tests look at."""

import pytest
import torch

from glance3d.datasets import MultiViewSample, SyntheticConfig, SyntheticScenes

SMALL = SyntheticConfig(
    images_per_batch=12,
    num_views=(2, 4),
    max_pixels=64 * 64,
    num_queries=16,
    num_textures=16,
    texture_size=64,
)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def stream() -> SyntheticScenes:
    return SyntheticScenes(SMALL, seed=5)


@pytest.fixture(scope="session")
def batches(stream: SyntheticScenes) -> list[MultiViewSample]:
    return [stream.batch(index) for index in range(6)]
