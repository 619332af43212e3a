"""What every measure has: numbers of one scene, each with its weight among other scenes."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from glance3d.evaluation.predictions import ScenePrediction
from glance3d.evaluation.protocols.truth import TrueScene


@dataclass(frozen=True)
class Value:
    """One number of one scene; ``weight`` is how many pairs, frames, pixels or points it is of."""

    value: float
    weight: float


Values = dict[str, Value]


class Measure(ABC):
    """Compares a prediction of a scene with its truth.

    ``needs_depth`` says whether predicted depth is looked at: else it is not kept.
    """

    needs_depth: ClassVar[bool]

    @abstractmethod
    def score(self, prediction: ScenePrediction, truth: TrueScene) -> Values:
        """The numbers by name; NaN where there is no truth, or nothing was predicted."""


def macro_mean(values: Iterable[Value]) -> float:
    """The mean over scenes, each counting once, of those that are known."""
    known = [one.value for one in values if not math.isnan(one.value)]
    return sum(known) / len(known) if known else math.nan


def micro_mean(values: Iterable[Value]) -> float:
    """The mean over all pairs, frames, pixels or points of all scenes, whosesoever they are."""
    known = [one for one in values if not math.isnan(one.value)]
    total = sum(one.weight for one in known)
    return sum(one.value * one.weight for one in known) / total if total else math.nan
