"""Detect sudden rises of a loss."""

import math


class SpikeDetector:
    """A loss is a spike if it is ``threshold`` standard deviations above its running mean.

    The first ``patience`` losses are never spikes.
    """

    def __init__(self, threshold: float = 6.0, decay: float = 0.98, patience: int = 50) -> None:
        self.threshold, self.decay, self.patience = threshold, decay, patience
        self._mean, self._variance, self._count = 0.0, 0.0, 0

    def is_spike(self, loss: float) -> bool:
        """Compare a loss with those before it, then add it to their statistics."""
        self._count += 1
        difference = loss - self._mean
        deviation = math.sqrt(self._variance)
        spike = self._count > self.patience and difference > self.threshold * deviation
        rate = max(1 - self.decay, 1 / self._count)
        self._mean += rate * difference
        self._variance = (1 - rate) * (self._variance + rate * difference**2)
        return spike
