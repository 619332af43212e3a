"""How many metres a scene's unit is, by one kind of knowledge, and how sure that is."""

import math
from dataclasses import dataclass
from typing import Any

import torch

from glance3d.geometry.similarity import Similarity

CONFIDENCE = 0.95
# Beyond such an interval (half its width over the scale) a length in metres would be a pretence.
LARGEST_HALF_WIDTH = 0.5
# Two readings that differ by less agree, whatever their own intervals are.
_SAME = math.log(1.05)
_MOST_NOISE = math.log(1.15)
_SIGMAS = 3.0

Interval = tuple[float, float]


@dataclass(frozen=True)
class Measure:
    """One thing that was measured: a photo's position, a distance, a depth.

    ``residual`` is in metres (positions) or relative (readings: 0.1 is ten percent too long);
    ``metres_per_unit`` is its own estimate of the scale, if it has one, with its ``interval``.
    """

    name: str
    residual: float | None = None
    agrees: bool = True
    metres_per_unit: float | None = None
    interval: Interval | None = None

    def describe(self) -> dict[str, Any]:
        """JSON-ready, without what is not known."""
        return {key: value for key, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class ScaleEstimate:
    """The scale by one kind of constraint; ``metres_per_unit`` is None if it gives none.

    ``interval`` holds the true scale in 95 of 100 cases if errors are independent; None is not
    known. ``frame`` is the whole way to the world ``world``, where that is determined; ``pivot``
    (scene coordinates) is the point that keeps its place in that world whatever the scale.
    ``is_metric`` is False where ``frame``'s lengths have no known unit. ``doubts`` are sentences.
    """

    by: str
    metres_per_unit: float | None
    interval: Interval | None = None
    measures: tuple[Measure, ...] = ()
    doubts: tuple[str, ...] = ()
    frame: Similarity | None = None
    pivot: tuple[float, float, float] = (0.0, 0.0, 0.0)
    world: str | None = None
    is_metric: bool = True
    noise: float | None = None

    @property
    def is_usable(self) -> bool:
        """Whether lengths in metres may be stated by it."""
        return self.is_metric and self.metres_per_unit is not None and self.half_width is not None

    @property
    def half_width(self) -> float | None:
        """Half the interval over the scale; 0 where there is none; None where it is too wide."""
        if self.metres_per_unit is None or self.metres_per_unit <= 0:
            return None
        low, high = self.interval or (self.metres_per_unit, self.metres_per_unit)
        half = (high - low) / 2 / self.metres_per_unit
        return half if low > 0 and half <= LARGEST_HALF_WIDTH else None

    def describe(self) -> dict[str, Any]:
        """JSON-ready."""
        residuals = [m.residual for m in self.measures if m.residual is not None and m.agrees]
        squares = [value * value for value in residuals]
        return {
            "by": self.by,
            "metres_per_unit": self.metres_per_unit,
            "interval_95": self.interval,
            "is_metric": self.is_metric,
            "world": self.world,
            "noise_per_axis_m": self.noise,
            "residual_rms": math.sqrt(sum(squares) / len(squares)) if squares else None,
            "num_measures": len(self.measures),
            "num_agreeing": sum(measure.agrees for measure in self.measures),
            "outliers": [measure.name for measure in self.measures if not measure.agrees],
            "measures": [measure.describe() for measure in self.measures],
            "doubts": list(self.doubts),
        }


def combine_readings(
    by: str, readings: list[Measure], doubts: tuple[str, ...] = ()
) -> ScaleEstimate:
    """One scale from readings that each have one: the majority's mean, of their logarithms.

    One reading alone has the interval of its own; two must agree; of three and more those that do
    not agree with the majority are left out and named, and the interval follows from the scatter.
    """
    logs = torch.tensor([math.log(r.metres_per_unit or 1.0) for r in readings]).double()
    middle, noise = _consensus(logs)
    agree = (logs - middle).abs() <= max(_SIGMAS * noise, _SAME)
    agree |= torch.tensor([_holds(reading, math.exp(middle)) for reading in readings])
    kept = [measure for measure, good in zip(readings, agree.tolist(), strict=True) if good]
    if 2 * len(kept) <= len(readings) and len(readings) > 1:
        return _contradictory(by, readings, doubts)
    mean = float(logs[agree].mean())
    scale = math.exp(mean)
    if len(kept) > 2:
        error = float(logs[agree].std()) / math.sqrt(len(kept))
        reach = student_quantile(len(kept) - 1) * error
        interval = (math.exp(mean - reach), math.exp(mean + reach))
    else:
        interval = _hull(kept)
    measures = tuple(
        Measure(
            m.name, (m.metres_per_unit or scale) / scale - 1, good, m.metres_per_unit, m.interval
        )
        for m, good in zip(readings, agree.tolist(), strict=True)
    )
    return ScaleEstimate(by, scale, interval, measures, (*doubts, *_doubts_of(by, kept, measures)))


def _consensus(logs: torch.Tensor) -> tuple[float, float]:
    """The reading that most others are near, refined, and the noise (not beyond 15 %)."""
    distances = (logs[:, None] - logs[None]).abs()
    quorum = len(logs) // 2 + 1
    nearest = distances.kthvalue(quorum, dim=1).values
    near = distances[int(nearest.argmin())] <= nearest.min()
    middle = float(logs[near].mean())
    if len(logs) < 3:
        return middle, 0.0  # of two, both or neither agree
    quartile = float((logs - middle).abs().kthvalue(quorum).values)
    return middle, min(1.4826 * quartile, _MOST_NOISE)


def _holds(reading: Measure, scale: float) -> bool:
    """Whether a reading's own interval allows a scale."""
    return reading.interval is not None and reading.interval[0] <= scale <= reading.interval[1]


def _contradictory(by: str, readings: list[Measure], doubts: tuple[str, ...]) -> ScaleEstimate:
    values = ", ".join(f"{m.name}: {m.metres_per_unit:.4g}" for m in readings[:5])
    doubt = f"{by} contradict each other, and no majority agrees (metres a unit by {values})"
    measures = tuple(Measure(m.name, None, False, m.metres_per_unit, m.interval) for m in readings)
    return ScaleEstimate(by, None, None, measures, (*doubts, doubt))


def _hull(kept: list[Measure]) -> Interval | None:
    intervals = [measure.interval for measure in kept if measure.interval is not None]
    if not intervals:
        return None
    return min(low for low, _ in intervals), max(high for _, high in intervals)


def _doubts_of(by: str, kept: list[Measure], measures: tuple[Measure, ...]) -> tuple[str, ...]:
    doubts = []
    if len(kept) < 3:
        doubts.append(
            f"{by}: {'one reading has' if len(kept) == 1 else 'two readings have'} no scatter from "
            "which an error could be told; the interval is only that of reading by itself"
        )
    outliers = [measure.name for measure in measures if not measure.agrees]
    if outliers:
        doubts.append(f"{by}: left out, because the others contradict them: {', '.join(outliers)}")
    return tuple(doubts)


def student_quantile(freedom: int) -> float:
    """Student's t that 95 % of a symmetric distribution lie within.

    By Cornish and Fisher's expansion about the normal quantile (Abramowitz and Stegun, 26.7.5),
    which is 3 % low at two degrees of freedom and better than 1 % from three on; one is tabulated.
    """
    z = 1.959964
    if freedom <= 1:
        return 12.706
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom ** (power + 1) for power, term in enumerate(terms))
