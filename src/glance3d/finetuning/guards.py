"""Whether a network became better on its own kind of photos, and worse elsewhere."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glance3d.datasets import SyntheticConfig
from glance3d.errors import InputError
from glance3d.evaluation import EvaluationSet, evaluate, synthetic_set
from glance3d.evaluation.scenes import evenly_spaced, scene_of_photos
from glance3d.evaluation.score import mean_of_known
from glance3d.finetuning.data.overlap import draw_group
from glance3d.finetuning.data.split import SetPart
from glance3d.images import Preprocessing
from glance3d.models import Network

HERE, THERE = "validation", "general"
_NUMBERS = {"auc30": "pose_auc_at_30deg", "delta": "depth_delta_125_scale_aligned"}
_TITLES = {"auc30": "AUC@30 of poses", "delta": "depth within 25%"}
_MOST_PHOTOS = 24  # of a set, that are validated on
_GROUPS = 8  # of each set


@dataclass(frozen=True)
class Verdict:
    """What a network's numbers are beside those of the network before; ``gain`` is here."""

    gain: float
    losses: Mapping[str, float]
    tolerated: float

    @property
    def is_better(self) -> bool:
        """Better here, and nowhere worse by more than is tolerated."""
        return self.gain > 0 and all(loss <= self.tolerated for loss in self.losses.values())

    @property
    def reason(self) -> str:
        """In words."""
        words = "better" if self.gain > 0 else "not better"
        parts = [f"{words} on {HERE} ({self.gain:+.4f})"]
        for name, loss in self.losses.items():
            is_much = loss > self.tolerated
            much = f"more than the {self.tolerated:.0%} tolerated" if is_much else "tolerated"
            if loss > 0:
                parts.append(f"{_TITLES[name]} on {THERE} lost {loss:.1%}, {much}")
        return "; ".join(parts)


@dataclass(frozen=True)
class Guards:
    """Sets that a network is measured on before and after: the user's, and drawn scenes."""

    validation: tuple[EvaluationSet, ...]
    general: EvaluationSet
    tolerated: float

    def measure(self, network: Network) -> dict[str, float]:
        """``validation_auc30`` and so on: means over sets; NaN where there is no truth."""
        report = evaluate(network, [*self.validation, self.general], methods=("network",))
        rows = [row.scores["network"] for row in report.sets]
        groups = {HERE: rows[:-1], THERE: rows[-1:]}
        return {
            # As the log keeps them, so that a resumed run compares the same numbers.
            f"{group}_{name}": round(mean_of_known(getattr(row, field) for row in scores), 6)
            for group, scores in groups.items()
            for name, field in _NUMBERS.items()
        }

    def compare(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> Verdict:
        """The mean gain of the numbers that are known here, and the share lost of each there."""
        gains = [now[f"{HERE}_{name}"] - before[f"{HERE}_{name}"] for name in _NUMBERS]
        known = [gain for gain in gains if not math.isnan(gain)]
        losses = {}
        for name in _NUMBERS:
            old, new = before[f"{THERE}_{name}"], now[f"{THERE}_{name}"]
            if not math.isnan(old) and not math.isnan(new):
                losses[name] = (old - new) / old if old > 0 else 0.0
        return Verdict(sum(known) / len(known) if known else 0.0, losses, self.tolerated)


def build_guards(
    validation: Sequence[SetPart],
    preprocessing: Preprocessing,
    data: SyntheticConfig,
    num_views: int,
    num_scenes: int,
    tolerated: float,
) -> Guards:
    """Groups of photos that overlap, the same each time, and drawn scenes of the test split.

    Raises:
        InputError: no two photos of a set overlap.
        ImageError: a photo or a depth map cannot be read.
    """
    sets = tuple(_validation_set(part, preprocessing, num_views) for part in validation)
    return Guards(sets, synthetic_set(data, num_scenes), tolerated)


def _validation_set(part: SetPart, preprocessing: Preprocessing, wanted: int) -> EvaluationSet:
    views = [part.views[index] for index in evenly_spaced(len(part.views), _MOST_PHOTOS)]
    whole = scene_of_photos(part.photos, views, preprocessing)
    overlap = part.overlap[views][:, views]
    places, rng = list(range(len(views))), np.random.default_rng(0)
    num_views = SetPart(part.photos, tuple(places), overlap).largest_group(wanted)
    groups = {}
    for _ in range(_GROUPS):
        group = draw_group(overlap, places, num_views, rng)
        if group is not None:
            groups.setdefault(tuple(sorted(group)), group)
    if not groups:
        raise InputError(f"{part.photos.name} must have photos that overlap, got none")
    scenes = tuple(
        whole.of_views(group, f"{part.photos.name} {number:03d}")
        for number, group in enumerate(groups.values())
    )
    about = f"{len(scenes)} groups of {num_views} photos"
    return EvaluationSet(part.photos.name, scenes, about)
