"""Whether a network became better on its own kind of photos, and worse elsewhere."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from glance3d.datasets import SyntheticConfig
from glance3d.errors import InputError
from glance3d.evaluation import EvaluationSet, evaluate, synthetic_set
from glance3d.evaluation.scenes import evenly_spaced, scene_of_photos
from glance3d.evaluation.score import Scores, mean_of_known
from glance3d.finetuning.data.overlap import draw_group
from glance3d.finetuning.data.split import SetPart
from glance3d.images import Preprocessing
from glance3d.models import Network

HERE, THERE = "validation", "general"
_NUMBERS = {"auc30": "pose_auc_at_30deg", "delta": "depth_delta_125_scale_aligned"}
_TITLES = {"auc30": "AUC@30 of poses", "delta": "depth within 25%"}
_SCENES = "scenes"
_MOST_PHOTOS = 24  # of a set, that are validated on
_GROUPS = 8  # of each set


@dataclass(frozen=True)
class Verdict:
    """What a network's numbers are beside those of the network before; ``gain`` is here.

    ``noise`` is the standard error of the gain, ``loss_noise`` that of each loss, from what became
    of each scene: matches, and what is solved from them, jump where weights change a little.
    """

    gain: float
    losses: Mapping[str, float]
    tolerated: float
    noise: float = 0.0
    loss_noise: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_better(self) -> bool:
        """Better here by more than noise, and nowhere worse by more than is tolerated."""
        tolerable = all(loss <= self.tolerated for loss in self.losses.values())
        return self.gain > self.noise and tolerable

    @property
    def reason(self) -> str:
        """In words."""
        words = "better" if self.gain > self.noise else "not clearly better"
        if self.gain <= 0:
            words = "not better"
        parts = [f"{words} on {HERE} ({self.gain:+.4f}, standard error {self.noise:.4f})"]
        for name, loss in self.losses.items():
            is_much = loss > self.tolerated
            much = f"more than the {self.tolerated:.0%} tolerated" if is_much else "tolerated"
            noise = self.loss_noise.get(name, 0.0)
            if is_much and loss < 2 * noise:
                much += ", but it may be noise: measure more (--general-scenes)"
            if loss > 0:
                parts.append(
                    f"{_TITLES[name]} on {THERE} lost {loss:.1%} (standard error {noise:.1%}), "
                    f"{much}"
                )
        return "; ".join(parts)


@dataclass(frozen=True)
class Guards:
    """Sets that a network is measured on before and after: the user's, and drawn scenes."""

    validation: tuple[EvaluationSet, ...]
    general: EvaluationSet
    tolerated: float

    def measure(self, network: Network) -> dict[str, Any]:
        """``validation_auc30`` and so on: means over sets; NaN where there is no truth.

        ``scenes`` has the same of every scene, as JSON. All is rounded as the log keeps it, so that
        a resumed run compares the same numbers.
        """
        means: dict[str, Any] = {}
        scenes: dict[str, list[float | None]] = {}
        for group, sets in {HERE: self.validation, THERE: (self.general,)}.items():
            scores = [_scores_of_scenes(network, one) for one in sets]
            for name, number in _NUMBERS.items():
                values = [[getattr(score, number) for score in of_set] for of_set in scores]
                key = f"{group}_{name}"
                means[key] = round(mean_of_known(map(mean_of_known, values)), 6)
                scenes[key] = [
                    None if math.isnan(value) else round(value, 6)
                    for of_set in values
                    for value in of_set
                ]
        return {**means, _SCENES: json.dumps(scenes)}

    def compare(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> Verdict:
        """The mean gain of the numbers that are known here, and the share lost of each there."""
        gains = [now[f"{HERE}_{name}"] - before[f"{HERE}_{name}"] for name in _NUMBERS]
        known = [gain for gain in gains if not math.isnan(gain)]
        changes = _changes(before, now)
        here = [changes[key] for name in _NUMBERS if (key := f"{HERE}_{name}") in changes]
        noise = 0.0
        if here:
            noise = _standard_error(np.ma.masked_invalid(here).mean(0).filled(np.nan))
        losses, loss_noise = {}, {}
        for name in _NUMBERS:
            old, new = before[f"{THERE}_{name}"], now[f"{THERE}_{name}"]
            if not math.isnan(old) and not math.isnan(new):
                losses[name] = (old - new) / old if old > 0 else 0.0
                there = changes.get(f"{THERE}_{name}", np.zeros(0))
                loss_noise[name] = _standard_error(there) / old if old > 0 else 0.0
        gain = sum(known) / len(known) if known else 0.0
        return Verdict(gain, losses, self.tolerated, noise, loss_noise)


def _scores_of_scenes(network: Network, one: EvaluationSet) -> list[Scores]:
    alone = [replace(one, scenes=(scene,), name=scene.name) for scene in one.scenes]
    report = evaluate(network, alone, methods=("network",))
    return [row.scores["network"] for row in report.sets]


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """What became of every scene's numbers, where something is known of any."""
    old, new = (json.loads(line.get(_SCENES, "{}")) for line in (before, now))
    changes = {
        key: np.array(new[key], dtype=float) - np.array(values, dtype=float)
        for key, values in old.items()
        if key in new
    }
    return {key: values for key, values in changes.items() if not np.isnan(values).all()}


def _standard_error(changes: np.ndarray) -> float:
    """Of their mean; 0 where there are too few to tell."""
    known = changes[~np.isnan(changes)]
    return float(known.std(ddof=1) / math.sqrt(len(known))) if len(known) > 1 else 0.0


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
