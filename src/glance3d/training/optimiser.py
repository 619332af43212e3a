"""What is trained, and by which optimiser."""

import torch
from torch import nn

from glance3d.errors import ConfigError
from glance3d.models import Network
from glance3d.training.config import TrainConfig


def freeze_all_but(model: Network, trainable: tuple[str, ...]) -> None:
    """Train only parameters whose names begin with one of these; all, if there are none."""
    for part in trainable:
        if not any(name.startswith(part) for name, _ in model.named_parameters()):
            raise ConfigError(
                f"no parameter of {model.config.name} begins with {part!r}: give the beginning of "
                "a parameter's name"
            )
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not trainable or name.startswith(trainable))


def build_optimiser(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW with decay on weights of two or more dimensions that end in ``weight``."""
    decayed, plain = [], []
    for name, parameter in model.named_parameters():
        matrix = parameter.ndim >= 2 and name.endswith("weight")
        (decayed if matrix else plain).append(parameter)
    optimiser = config.optimiser
    groups = [
        {"params": decayed, "weight_decay": optimiser.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=optimiser.peak_lr, betas=optimiser.betas, fused=True)
