"""Small networks with adapters that change something."""

from dataclasses import fields, replace

import torch
from torch import Tensor

from glance3d.models import Network, build_model
from glance3d.models.adapters.layers import add_lora, lora_layers
from glance3d.models.config import ModelConfig, tiny


def tiny_steady() -> ModelConfig:
    """The smallest VGGT, whose random tracker takes one step: several blow rounding up."""
    config = tiny()
    assert config.tracks is not None
    return replace(config, tracks=replace(config.tracks, num_iterations=1))


def small_network(config: ModelConfig) -> Network:
    torch.manual_seed(0)
    return build_model(config).eval().requires_grad_(False)


def pictures(size: int = 28, views: int = 2) -> Tensor:
    return torch.rand(1, views, 3, size, size, generator=torch.Generator().manual_seed(1))


def with_adapters(
    network: Network, layers: tuple[str, ...] | None = None, spread: float = 0.2
) -> Network:
    """Adapters whose every number is random."""
    add_lora(network, 3, 6.0, layers)
    generator = torch.Generator().manual_seed(2)
    for lora in lora_layers(network).values():
        lora.lora_A.data.normal_(0, spread, generator=generator)
        lora.lora_B.data.normal_(0, spread, generator=generator)
    return network


def outputs(network: Network, images: Tensor, tracks: bool = True) -> dict[str, Tensor]:
    """All that it predicts; one that takes cameras is given some."""
    if network.takes_cameras:
        poses = torch.eye(4)[:3].repeat(images.shape[1], 1, 1)
        poses[1:, 0, 3] = 0.3
        intrinsics = torch.tensor([[30.0, 0, 14], [0, 30, 14], [0, 0, 1]]).expand(len(poses), 3, 3)
        predicted = network(images, cameras=(poses, intrinsics))
    else:
        queries = torch.tensor([[3.0, 4.0], [20.0, 11.0]])
        predicted = network(images, queries if tracks else None)
    found = {field.name: getattr(predicted, field.name) for field in fields(predicted)}
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, Tensor) and value.is_floating_point()
    }
