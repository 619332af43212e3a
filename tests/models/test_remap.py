"""Every published name and shape maps once and back."""

import json
from pathlib import Path

import pytest
import torch

from glance3d.models.architectures import network_of
from glance3d.models.config import (
    ModelConfig,
    da3_base,
    da3_giant,
    da3_large,
    da3_small,
    da3_tiny,
    da3_tiny_odd,
    tiny,
    vggt_1b,
)
from glance3d.models.weights.remap import name_from_published, published_from_name

GOLDEN = Path(__file__).parents[1] / "golden"


def shapes_on_meta(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {name: tuple(t.shape) for name, t in network_of(config).state_dict().items()}


def assert_same_tensors(config: ModelConfig, published: dict[str, list[int]]) -> None:
    ours = shapes_on_meta(config)
    renamed = {name_from_published(name): tuple(shape) for name, shape in published.items()}
    assert len(renamed) == len(published)
    assert renamed == ours
    assert {published_from_name(name) for name in ours} == set(published)


def test_vggt_1b() -> None:
    published = json.loads((GOLDEN / "checkpoint_vggt_1b.json").read_text())
    assert len(published) == 1797
    assert_same_tensors(vggt_1b(), published)


def test_tiny() -> None:
    assert_same_tensors(tiny(), json.loads((GOLDEN / "tiny_manifest.json").read_text()))


@pytest.mark.parametrize("size", ["small", "base"])
def test_depth_anything_3(size: str) -> None:
    published = json.loads((GOLDEN / "da3" / f"checkpoint_da3_{size}.json").read_text())
    assert len(published) == 437
    assert_same_tensors({"small": da3_small, "base": da3_base}[size](), published)


@pytest.mark.parametrize("make", [da3_tiny, da3_tiny_odd])
def test_tiny_depth_anything_3(make) -> None:
    manifest = json.loads((GOLDEN / "da3" / "da3_tiny_manifest.json").read_text())
    assert_same_tensors(make(), manifest[make().name]["tensors"])


def test_the_larger_ones_have_as_many_parameters_as_published() -> None:
    for make, count in ((da3_large, 410_941_767), (da3_giant, 1_320_045_639)):
        with torch.device("meta"):
            network = network_of(make())
        assert sum(parameter.numel() for parameter in network.parameters()) == count
