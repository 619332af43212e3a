"""What tests of several parts need: photos and a small network that no training has touched."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from glance3d.models import build_model, config
from glance3d.models.weights import save_weights


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of the tiny network: random but for plain cameras of one radian's view."""
    torch.manual_seed(0)
    tiny = config.tiny()
    model = build_model(tiny)
    assert model.camera_head is not None
    with torch.no_grad():
        model.camera_head.pose_mlp.fc2.weight.mul_(0.01)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(model, path, tiny)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three small photos, one of them portrait."""
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    for index, (width, height) in enumerate(((96, 64), (96, 64), (64, 96)), start=1):
        pixels = random.integers(0, 255, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"view{index}.png")
    return folder
