"""Every published name and shape maps once and back."""

import json
from pathlib import Path

import torch

from glance3d.models.config import tiny, vggt_1b
from glance3d.models.vggt import VGGT
from glance3d.models.weights.remap import name_from_published, published_from_name

GOLDEN = Path(__file__).parents[1] / "golden"


def shapes_on_meta(config) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {name: tuple(t.shape) for name, t in VGGT(config).state_dict().items()}


def assert_same_tensors(config, published: dict[str, list[int]]) -> None:
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
