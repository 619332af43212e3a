"""Training: recipes, the trainer, losses and the scale they are computed at."""

from glance3d.training.config import OptimiserConfig, TrainConfig
from glance3d.training.losses.normalise import normalise_scenes
from glance3d.training.losses.scene import LossWeights
from glance3d.training.recipes import RECIPES, build_recipe
from glance3d.training.run.checkpoint import Progress, export_weights, load_checkpoint
from glance3d.training.trainer import Trainer

__all__ = [
    "RECIPES",
    "LossWeights",
    "OptimiserConfig",
    "Progress",
    "TrainConfig",
    "Trainer",
    "build_recipe",
    "export_weights",
    "load_checkpoint",
    "normalise_scenes",
]
