"""A scene known in closed form, and a small network with golden weights."""

import pytest
import torch

from glance3d.models import VGGT, build_model
from glance3d.models.config import tiny
from glance3d.types import ImageBatch, Placement, Reconstruction
from tests.exporters.analytic import build_scene
from tests.golden_weights import fill_with_golden_weights


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Reconstruction:
    return build_scene(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="session")
def network() -> VGGT:
    model = build_model(tiny()).eval().requires_grad_(False)
    fill_with_golden_weights(model)
    return model


@pytest.fixture(scope="session")
def batch() -> ImageBatch:
    """Four photos of noise, at twice the size that the network sees."""
    images = torch.rand(4, 3, 56, 70, generator=torch.Generator().manual_seed(0))
    return as_batch(images, scale=0.5)


def as_batch(images: torch.Tensor, scale: float = 1.0) -> ImageBatch:
    """Images of the network's grid as a batch, from originals of this scale."""
    height, width = images.shape[-2:]
    original = round(width / scale), round(height / scale)
    placement = Placement(original, (width, height), (scale, scale))
    names = tuple(f"{index}.png" for index in range(len(images)))
    return ImageBatch(images, names, names, (placement,) * len(images))
