"""Whether what is trained can learn at all: one sample, over and over, must be learned by heart."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from glance3d.datasets import MultiViewSample
from glance3d.models import Network
from glance3d.training import TrainConfig
from glance3d.training.gradients import compute_gradients
from glance3d.training.losses.scene import Losses
from glance3d.training.schedule import learning_rate_factor

#: The errors must fall to this share.
LEARNED = 0.1
_WARMUP = 0.05  # of the steps


@dataclass(frozen=True)
class Overfit:
    """Errors of one sample before and after, by the parts of the loss, and as they are weighted.

    They are without what networks may earn by being less confident, and so never below zero.
    """

    before: Mapping[str, float]
    after: Mapping[str, float]
    steps: int

    @property
    def left(self) -> dict[str, float]:
        """The share of each error that is left, "total" first."""
        return {
            name: self.after[name] / error if error > 0 else 0.0
            for name, error in self.before.items()
        }

    @property
    def learned(self) -> bool:
        """Whether the errors together fell tenfold."""
        return self.left["total"] <= LEARNED

    @property
    def stuck(self) -> tuple[str, ...]:
        """The parts that did not fall tenfold."""
        return tuple(n for n, share in self.left.items() if share > LEARNED and n != "total")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**asdict(self), "left": self.left, "learned": self.learned, "stuck": self.stuck}

    def to_text(self) -> str:
        """A line for each part, and what it means."""
        rows = [
            f"  {name:<12} {self.before[name]:.4g} -> {self.after[name]:.4g} ({share:.1%} left)"
            for name, share in self.left.items()
        ]
        verdict = f"one sample was learned by heart in {self.steps} steps"
        if not self.learned:
            verdict = (
                f"one sample was NOT learned by heart in {self.steps} steps: "
                f"{', '.join(self.stuck)} did not fall tenfold"
            )
        return "\n".join([*rows, verdict])


def overfit_one(
    network: Network, sample: MultiViewSample, config: TrainConfig, steps: int, *, progress: bool
) -> Overfit:
    """Train what requires gradients on one sample; the network is changed.

    The rate rises and falls as in a run: with a rate that stays, errors without a square, such as
    those of cameras, end as high as a step is long.
    """
    network.train()
    learned = [value for value in network.parameters() if value.requires_grad]
    plan = config.optimiser
    optimiser = torch.optim.Adam(learned, lr=plan.peak_lr)
    warmup, errors = max(1, round(_WARMUP * steps)), []
    bar = tqdm(range(steps + 1), "one sample", unit="step", disable=not progress)
    for step in bar:
        losses = compute_gradients(network, sample, config, config.losses)
        if step in (0, steps):
            errors.append(_errors(losses, config))
        if step < steps:
            nn.utils.clip_grad_norm_(learned, plan.grad_clip)
            factor = learning_rate_factor(step / steps, step, warmup, 1.0, plan.final_lr_factor)
            optimiser.param_groups[0]["lr"] = factor * plan.peak_lr
            optimiser.step()
    return Overfit(errors[0], errors[1], steps)


def _errors(losses: Losses, config: TrainConfig) -> dict[str, float]:
    parts = {
        name: float(losses.get(f"{name}_error", losses[name])) for name in config.losses.active
    }
    total = sum(getattr(config.losses, name) * value for name, value in parts.items())
    return {"total": total, **parts}
