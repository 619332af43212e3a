"""All settings of a training run, as frozen dataclasses that check their values when made."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from glance3d.datasets import SyntheticConfig
from glance3d.errors import ConfigError
from glance3d.models.config import ModelConfig
from glance3d.training.losses.scene import LossWeights

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class OptimiserConfig:
    """AdamW, its learning-rate schedule, gradient clipping and weight average.

    ``cooldown`` is the last fraction of the run, over which the rate falls (1: plain cosine).
    Weight decay applies to matrices only, not to biases, norms, scales or tokens.
    """

    peak_lr: float = 2e-4
    final_lr_factor: float = 0.01
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.05
    warmup_samples: int = 2_000
    cooldown: float = 1.0
    grad_clip: float = 1.0
    average_decay: float = 0.999

    def __post_init__(self) -> None:
        """Refuse values outside their ranges."""
        _require(self.peak_lr > 0, "peak_lr > 0", self.peak_lr)
        _require(0 <= self.final_lr_factor <= 1, "final_lr_factor in [0, 1]", self.final_lr_factor)
        _require(all(0 <= beta < 1 for beta in self.betas), "betas in [0, 1)", self.betas)
        _require(self.weight_decay >= 0, "weight_decay >= 0", self.weight_decay)
        _require(self.warmup_samples >= 0, "warmup_samples >= 0", self.warmup_samples)
        _require(0 < self.cooldown <= 1, "cooldown in (0, 1]", self.cooldown)
        _require(self.grad_clip > 0, "grad_clip > 0", self.grad_clip)
        _require(0 <= self.average_decay < 1, "average_decay in [0, 1)", self.average_decay)


@dataclass(frozen=True)
class RelationPretrainingConfig:
    """Pretraining of relative poses on simulated matches (:mod:`.relation_pretraining`).

    AdamW over ``num_steps`` batches; each takes ``cells_per_view`` random cells of every view.
    """

    num_steps: int = 1500
    peak_lr: float = 2e-3
    warmup_steps: int = 100
    images_per_batch: int = 48
    cells_per_view: int = 96

    def __post_init__(self) -> None:
        """Refuse values outside their ranges."""
        for name in ("num_steps", "peak_lr", "cells_per_view"):
            _require(getattr(self, name) > 0, f"{name} > 0", getattr(self, name))
        _require(self.warmup_steps >= 0, "warmup_steps >= 0", self.warmup_steps)


@dataclass(frozen=True)
class TrainConfig:
    """All settings of one run: the same config and seed give the same stream of scenes.

    The schedule ends after ``total_samples`` scenes or ``time_budget_minutes`` of training,
    whichever comes first; either may be changed when a run is resumed. ``num_data_workers``
    processes render scenes during training; with 0 they are rendered between the steps.

    The tracker is trained on the first ``track_queries`` query points of ``track_scenes`` scenes
    of a batch, every ``track_every_steps``; the matching loss uses all, every
    ``matching_every_steps``. The depth and points heads are trained every ``depth_every_steps`` and
    ``points_every_steps``, on the first ``dense_views`` views of a scene (None: all of them).
    ``log_depth`` compares logarithms of depth, aligned by one factor per scene. ``textures`` is a
    folder of pictures for the surfaces of the scenes (None: procedural textures).
    ``relation_pretraining`` trains the correspondence head on simulated matches before the first
    step (None: no). ``gradient_threads`` share the scenes of a batch.
    ``trainable`` names the parts of the network that are trained, by the beginnings of their
    parameters' names (empty: all of them).
    """

    recipe: str
    model: ModelConfig
    data: SyntheticConfig
    losses: LossWeights = field(default_factory=LossWeights)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    total_samples: int = 100_000
    time_budget_minutes: float | None = None
    precision: str = "bfloat16"
    device: str = "cpu"
    seed: int = 0
    num_data_workers: int = 0
    track_queries: int = 32
    track_scenes: int = 4
    track_every_steps: int = 1
    points_every_steps: int = 1
    matching_every_steps: int = 1
    depth_every_steps: int = 1
    gradient_threads: int = 1
    dense_views: int | None = None
    log_depth: bool = False
    textures: str | None = None
    compile_renderer: bool = False
    log_every_steps: int = 10
    validate_every_samples: int = 10_000
    num_validation_batches: int = 2
    checkpoint_every_minutes: float = 5.0
    relation_pretraining: RelationPretrainingConfig | None = None
    trainable: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse values outside their ranges."""
        for name in (
            "total_samples",
            "track_queries",
            "track_scenes",
            "log_every_steps",
            "gradient_threads",
        ):
            _require(getattr(self, name) > 0, f"{name} > 0", getattr(self, name))
        for name in (
            "num_data_workers",
            "num_validation_batches",
            "validate_every_samples",
            "seed",
        ):
            _require(getattr(self, name) >= 0, f"{name} >= 0", getattr(self, name))
        _require(self.precision in PRECISIONS, f"precision in {PRECISIONS}", self.precision)
        head = getattr(self.model, "correspondence", None)
        _require(head is not None or not self.relation_pretraining, "a correspondence head", head)
        budget = self.time_budget_minutes
        _require(budget is None or budget > 0, "time_budget_minutes > 0", budget)
        minutes = self.checkpoint_every_minutes
        _require(minutes > 0, "checkpoint_every_minutes > 0", minutes)

    def losses_at(self, step: int) -> LossWeights:
        """Loss weights of one step: 0 for the losses that this step leaves out."""
        left_out = {}
        if step % self.track_every_steps:
            left_out["track"] = 0.0
        if step % self.points_every_steps:
            left_out["points"] = 0.0
        if step % self.matching_every_steps:
            left_out["matching"] = 0.0
        if step % self.depth_every_steps:
            left_out["depth"] = 0.0
        return dataclasses.replace(self.losses, **left_out)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready dicts, lists, numbers and strings; the network as its files describe it."""
        return _plain(dataclasses.asdict(self) | {"model": self.model.to_dict()})


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _require(holds: bool, wanted: str, got: Any) -> None:
    if not holds:
        raise ConfigError(f"a training config must have {wanted}, got {got}")
