"""The architectures there are: a new one is a folder of its own and a row here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from glance3d.models.config import DA3Config, ModelConfig, Output, VGGTConfig
from glance3d.models.da3 import DA3
from glance3d.models.da3.pass_sizes import DA3PassSizes
from glance3d.models.memory.pass_sizes import PassSizes
from glance3d.models.network import Network
from glance3d.models.vggt import VGGT
from glance3d.models.vggt.pass_sizes import VGGTPassSizes
from glance3d.multiview.pose_initialisation import initialise_poses


@dataclass(frozen=True)
class Architecture:
    """How its network is made from a config, and what its passes hold."""

    build: Callable[[Any], Network]
    pass_sizes: Callable[..., PassSizes]


ARCHITECTURES: dict[str, Architecture] = {
    VGGTConfig.ARCHITECTURE: Architecture(
        build=lambda config: VGGT(config, initialise_poses), pass_sizes=VGGTPassSizes
    ),
    DA3Config.ARCHITECTURE: Architecture(build=DA3, pass_sizes=DA3PassSizes),
}


def network_of(config: ModelConfig) -> Network:
    """A network of this config, with random weights, on torch's default device."""
    return ARCHITECTURES[config.ARCHITECTURE].build(config)


def pass_sizes_of(
    network: Network,
    num_views: int,
    image_size: tuple[int, int],
    outputs: tuple[Output, ...],
    device: torch.device,
) -> PassSizes:
    """What a pass of this network holds; ``image_size`` is (height, width)."""
    sizes = ARCHITECTURES[network.config.ARCHITECTURE].pass_sizes
    return sizes(network, num_views, image_size, outputs, device)
