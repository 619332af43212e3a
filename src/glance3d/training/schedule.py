"""The learning rate over a run."""

import math

import torch

from glance3d.errors import ConfigError
from glance3d.training.config import TrainConfig


def learning_rate_factor(
    progress: float, samples: int, warmup_samples: int, cooldown: float, floor: float
) -> float:
    """The factor on the peak learning rate.

    ``progress`` is how much of the run is done, 0 to 1. The factor rises linearly over
    ``warmup_samples``, stays 1, and falls as half a cosine to ``floor`` over the run's last
    ``cooldown`` (a fraction; 1 is the plain cosine schedule). A run whose cooldown has not begun
    can be extended as if it had been planned longer.
    """
    if not 0 < cooldown <= 1:
        raise ConfigError(f"cooldown must be a fraction of the run in (0, 1], got {cooldown}")
    warm = min(1.0, (samples + 1) / max(warmup_samples, 1))
    into_cooldown = (min(max(progress, 0.0), 1.0) - (1 - cooldown)) / cooldown
    falling = 0.5 * (1 + math.cos(math.pi * max(into_cooldown, 0.0)))
    return warm * (floor + (1 - floor) * falling)


def set_learning_rate(
    optimiser: torch.optim.Optimizer, config: TrainConfig, progress: float, samples: int
) -> float:
    """Give all parameters the rate of this moment of the run, and return it.

    ``progress`` is how much of the run is done, 0 to 1, after so many ``samples``.
    """
    options = config.optimiser
    rate = options.peak_lr * learning_rate_factor(
        progress, samples, options.warmup_samples, options.cooldown, options.final_lr_factor
    )
    for group in optimiser.param_groups:
        group["lr"] = rate
    return rate
