"""The networks: configs, weights, and the architectures themselves."""

from glance3d.models.config import OUTPUTS, ModelConfig, Output
from glance3d.models.da3 import DA3
from glance3d.models.network import Network
from glance3d.models.source import ModelSource
from glance3d.models.vggt import VGGT
from glance3d.models.weights.cards import list_cards
from glance3d.models.weights.weights_card import WeightsCard
from glance3d.models.zoo import build_model, load_model

__all__ = [
    "DA3",
    "OUTPUTS",
    "VGGT",
    "ModelConfig",
    "ModelSource",
    "Network",
    "Output",
    "WeightsCard",
    "build_model",
    "list_cards",
    "load_model",
]
