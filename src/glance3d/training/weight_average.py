"""The moving average of the weights, and what of a network a run keeps."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

StateOf = Callable[[nn.Module], dict[str, Tensor]]


def learned_state(module: nn.Module) -> dict[str, Tensor]:
    """The parameters that are trained, by their names: all that changes where others are frozen."""
    learned = {name for name, value in module.named_parameters() if value.requires_grad}
    return {name: value for name, value in module.state_dict().items() if name in learned}


def whole_state(module: nn.Module) -> dict[str, Tensor]:
    """All parameters and buffers."""
    return module.state_dict()


class WeightAverage:
    """Exponential moving average of a module's floating-point state, in float32.

    ``state_of`` says what of the module is averaged.

    The decay starts low, min(decay, (1 + n) / (10 + n)) after n updates, so that the first random
    weights soon have no influence.
    """

    def __init__(self, module: nn.Module, decay: float, state_of: StateOf = whole_state) -> None:
        self.decay, self._state_of = decay, state_of
        self.num_updates = 0
        self.values = {
            name: value.detach().float().clone() if value.is_floating_point() else value.clone()
            for name, value in state_of(module).items()
        }

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Include the module's current weights in the average."""
        self.num_updates += 1
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        averages, values = [], []
        for name, value in self._state_of(module).items():
            if value.is_floating_point():
                averages.append(self.values[name])
                values.append(value.detach().float())
            else:
                self.values[name].copy_(value)
        torch._foreach_lerp_(averages, values, 1 - decay)

    def state_dict(self) -> dict[str, Tensor | int | dict[str, Tensor]]:
        """The state that a resumed run needs."""
        return {"num_updates": self.num_updates, "values": self.values}

    def load_state_dict(self, state: dict) -> None:
        """Continue from a result of :meth:`state_dict`."""
        self.num_updates = state["num_updates"]
        for name, value in state["values"].items():
            self.values[name].copy_(value)
