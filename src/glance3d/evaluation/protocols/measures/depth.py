"""Depth of a scene's frames, after the alignment that a protocol states."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from glance3d.errors import InputError
from glance3d.evaluation.predictions import ScenePrediction
from glance3d.evaluation.protocols.measures.measure import Measure, Value, Values
from glance3d.evaluation.protocols.truth import TrueScene

ALIGNMENTS = ("none", "scale", "scale-shift")
FITS = ("median", "least-absolute", "least-squares")


@dataclass(frozen=True)
class Depth(Measure):
    """AbsRel, RMSE and shares of pixels within ratios, at the original photos' pixels.

    ``alignment`` is what is fitted to the truth first: nothing, one factor, or a factor and a
    shift, for the whole scene or ``per`` frame. ``fit`` says how a factor is found: the "median" of
    truth / prediction, "least-absolute" or "least-squares" differences of depth; a shift is found
    by least squares. Pixels count whose truth lies above ``min_depth`` and below ``max_depth`` and
    where depth was predicted; ``covered`` is their share of those with such a truth. Aligned depth
    is not let below ``min_depth``, or a thousandth of the median truth. Weights are pixels.
    """

    needs_depth: ClassVar[bool] = True

    alignment: str = "scale"
    per: str = "scene"
    fit: str = "median"
    min_depth: float = 0.0
    max_depth: float = math.inf
    ratios: tuple[float, ...] = (1.25,)

    def __post_init__(self) -> None:
        """Refuse what cannot be fitted."""
        if self.alignment not in ALIGNMENTS or self.fit not in FITS:
            raise InputError(f"alignment must be of {ALIGNMENTS} and fit of {FITS}, got {self}")
        if self.per not in ("scene", "frame"):
            raise InputError(f"per must be scene or frame, got {self.per!r}")
        if self.alignment == "scale-shift" and self.fit != "least-squares":
            raise InputError(f"fit must be least-squares where a shift is, got {self.fit!r}")
        if not 0 <= self.min_depth < self.max_depth:
            raise InputError(f"min_depth must be below max_depth, got {self}")

    @property
    def suffix(self) -> str:
        """What the names of the numbers say of the alignment."""
        if self.alignment == "none":
            return "unaligned"
        return f"{self.alignment.replace('-', '_')}_aligned_per_{self.per}"

    def score(self, prediction: ScenePrediction, truth: TrueScene) -> Values:
        """The numbers of one scene, named with their alignment."""
        frames = self._frames(prediction, truth)
        counted = sum(count for _, _, count in frames)
        pairs = [(predicted, true) for predicted, true, _ in frames if len(true)]
        if self.per == "scene" and pairs:
            pairs = [(torch.cat([p for p, _ in pairs]), torch.cat([t for _, t in pairs]))]
        aligned = [(self._aligned(predicted, true), true) for predicted, true in pairs]
        predicted = torch.cat([one for one, _ in aligned]) if aligned else torch.zeros(0)
        true = torch.cat([one for _, one in aligned]) if aligned else torch.zeros(0)
        return {
            f"depth_{name}_{self.suffix}": value
            for name, value in self._numbers(predicted, true, counted).items()
        }

    def _frames(
        self, prediction: ScenePrediction, truth: TrueScene
    ) -> list[tuple[Float[Tensor, " n"], Float[Tensor, " n"], int]]:
        """Of each frame predictions and truth where both are known, and how many truths count."""
        frames = []
        for view, predicted in enumerate(prediction.depth):
            true = None if truth.load_depth is None else truth.load_depth(view)
            if true is None:
                continue
            counts = (true > self.min_depth) & (true < self.max_depth)
            kept = counts & (predicted > 0) & predicted.isfinite()
            frames.append((predicted[kept].double(), true[kept].double(), int(counts.sum())))
        return frames

    def _aligned(
        self, predicted: Float[Tensor, " n"], true: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        if self.alignment == "none":
            return predicted
        if self.alignment == "scale":
            return predicted * _factor(predicted, true, self.fit)
        scale, shift = _scale_and_shift(predicted, true)
        lowest = max(self.min_depth, 1e-3 * float(true.median()))
        return (predicted * scale + shift).clamp(min=lowest)

    def _numbers(
        self, predicted: Float[Tensor, " n"], true: Float[Tensor, " n"], counted: int
    ) -> Values:
        weight = float(len(true))
        if not weight:
            covered = 0.0 if counted else math.nan
            names = ["absrel", "rmse", *map(_name_of, self.ratios)]
            unknown = dict.fromkeys(names, Value(math.nan, 0.0))
            return {**unknown, "covered": Value(covered, float(counted))}
        ratio = predicted / true
        worse = torch.maximum(ratio, 1 / ratio)
        return {
            "absrel": Value(float((ratio - 1).abs().mean()), weight),
            "rmse": Value(float((predicted - true).square().mean().sqrt()), weight),
            **{
                _name_of(limit): Value(float((worse < limit).double().mean()), weight)
                for limit in self.ratios
            },
            "covered": Value(weight / counted, float(counted)),
        }


def _name_of(limit: float) -> str:
    return f"delta_{limit:g}".replace(".", "")


def _factor(predicted: Float[Tensor, " n"], true: Float[Tensor, " n"], fit: str) -> float:
    if fit == "least-squares":
        return float((predicted * true).sum() / predicted.square().sum())
    ratios = true / predicted
    if fit == "median":
        return float(ratios.median())
    # Least sum of |true - factor * predicted|: the median of the ratios, weighted by predictions.
    order = ratios.argsort()
    weights = predicted[order].cumsum(0)
    return float(ratios[order][torch.searchsorted(weights, weights[-1] / 2)])


def _scale_and_shift(
    predicted: Float[Tensor, " n"], true: Float[Tensor, " n"]
) -> tuple[float, float]:
    """By least squares; a prediction that is the same everywhere gets a factor alone."""
    centred = predicted - predicted.mean()
    spread = float(centred.square().sum())
    if spread <= 1e-12 * float(predicted.square().sum()):
        return _factor(predicted, true, "least-squares"), 0.0
    scale = float((centred * (true - true.mean())).sum()) / spread
    return scale, float(true.mean()) - scale * float(predicted.mean())
