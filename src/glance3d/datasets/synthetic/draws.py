"""Random numbers as one block, so that a batch is a pure function of its seed on any device."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


class Draws:
    """Returns slices of one block of uniform numbers, one row per scene, in the order of calls.

    ``scenes`` are those of all ``num_scenes`` whose rows are wanted.

    The CPU's generator makes the block, which is copied to ``device`` once: a GPU gets the same
    scenes, and no draw synchronises with it.
    """

    def __init__(
        self,
        seed: int,
        num_scenes: int,
        capacity: int,
        device: torch.device,
        scenes: slice = slice(None),
    ) -> None:
        generator = torch.Generator().manual_seed(seed)
        block = torch.rand(num_scenes, capacity, generator=generator)[scenes]
        self._block = block.to(device, non_blocking=True)
        self._used = 0

    def uniform(self, low: float, high: float, *shape: int) -> Float[Tensor, "scenes *shape"]:
        """Uniform in [low, high)."""
        count = math.prod(shape)
        if self._used + count > self._block.shape[1]:
            raise RuntimeError(f"the block of {self._block.shape[1]} random numbers is used up")
        part = self._block[:, self._used : self._used + count]
        self._used += count
        return low + (high - low) * part.reshape(-1, *shape)

    def unit(self, *shape: int) -> Float[Tensor, "scenes *shape"]:
        """Uniform in [0, 1)."""
        return self.uniform(0.0, 1.0, *shape)

    def log_uniform(self, low: float, high: float, *shape: int) -> Float[Tensor, "scenes *shape"]:
        """Uniform in the logarithm, between ``low`` and ``high``."""
        return self.uniform(math.log(low), math.log(high), *shape).exp()

    def normal(self, *shape: int) -> Float[Tensor, "scenes *shape"]:
        """Standard normal, cut at about four standard deviations."""
        return torch.erfinv(self.uniform(-0.9999, 0.9999, *shape)) * math.sqrt(2)

    def chance(self, probability: float, *shape: int) -> Tensor:
        """True with ``probability``."""
        return self.unit(*shape) < probability

    def integer(self, count: int, *shape: int) -> Tensor:
        """A whole number in [0, count), as float."""
        return self.uniform(0.0, float(count), *shape).floor().clamp(max=count - 1)
