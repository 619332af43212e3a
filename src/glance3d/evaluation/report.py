"""Scores as a table for people and as JSON for programs."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from glance3d.evaluation.methods import METHODS
from glance3d.evaluation.score import AttemptScore, Scores

# column title, field of Scores, digits
_COLUMNS = (
    ("AUC@3", "pose_auc_at_3deg", 3),
    ("AUC@5", "pose_auc_at_5deg", 3),
    ("AUC@15", "pose_auc_at_15deg", 3),
    ("AUC@30", "pose_auc_at_30deg", 3),
    ("gAUC@5", "trusted_auc_at_5deg", 3),
    ("fov deg", "fov_error_deg", 2),
    ("AbsRel", "depth_absrel_scale_aligned", 3),
    ("d<1.25", "depth_delta_125_scale_aligned", 3),
    ("mAbsRel", "measured_absrel_scale_aligned", 3),
    ("m<1.25", "measured_delta_125_scale_aligned", 3),
    ("m share", "measured_share", 3),
    ("trk px", "track_error_px_median", 2),
    ("trk<3px", "track_within_3px", 3),
)
_WIDTH = 7
# Refinement may lose this much AUC@30, where photos have little detail, and no more.
_TOLERATED_LOSS = 0.02

PROTOCOL = (
    "AUC@T: share of view pairs whose larger error (rotation; translation direction) is below k "
    "degrees, mean over k = 1..T; pairs with a photo that has no pose count as 180 degrees. gAUC: "
    "of the pairs whose photos are both judged good. fov: mean error of both axes. AbsRel, d<1.25: "
    "depth at all original pixels with truth after one median factor a scene; m: the same, with a "
    "factor of its own, where depth is claimed to be measured, and the share of those pixels. "
    "trk: points of the first view, followed to where they are visible in the others: median error "
    "in pixels, share within 3. photos: how many poses the photos' own matches hold; good: how "
    "many photos are judged so. sec: wall time of this stage alone, photos already loaded for the "
    "network, points not yet followed. Means over scenes; "
    "- where there is no truth or no claim."
)


@dataclass(frozen=True)
class SetReport:
    """One set's scores, method by method, under the same protocol.

    ``attempts`` are what a method tried before it chose, by method.
    """

    name: str
    about: str
    num_scenes: int
    num_views: int
    scores: dict[str, Scores]
    attempts: Mapping[str, tuple[AttemptScore, ...]] = field(default_factory=dict)

    @property
    def cameras_beat_trivial(self) -> bool:
        """Whether the network's AUC at 30 degrees exceeds the trivial baseline's by 0.1."""
        network, trivial = self.scores["network"], self.scores["trivial"]
        return network.pose_auc_at_30deg > trivial.pose_auc_at_30deg + 0.1

    @property
    def refinement_lost(self) -> bool:
        """Whether the refined AUC at 30 degrees is below the network's by more than 0.02."""
        if "refined" not in self.scores:
            return False
        network, refined = self.scores["network"], self.scores["refined"]
        return refined.pose_auc_at_30deg < network.pose_auc_at_30deg - _TOLERATED_LOSS


@dataclass(frozen=True)
class EvaluationReport:
    """Everything measured with one network."""

    model: str
    sets: tuple[SetReport, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        measured = dict.fromkeys(name for row in self.sets for name in row.scores)
        return {
            "model": self.model,
            "protocol": PROTOCOL,
            "methods": {name: METHODS[name].about for name in measured},
            "sets": [
                {
                    "name": row.name,
                    "about": row.about,
                    "num_scenes": row.num_scenes,
                    "num_views": row.num_views,
                    **{name: scores.to_dict() for name, scores in row.scores.items()},
                    "attempts": {
                        name: [asdict(attempt) for attempt in attempts]
                        for name, attempts in row.attempts.items()
                        if attempts
                    },
                    "cameras_beat_trivial": row.cameras_beat_trivial,
                    "refinement_lost": row.refinement_lost,
                }
                for row in self.sets
            ],
        }

    def to_table(self) -> str:
        """One line for each set and method, then remarks, then the protocol."""
        named = [row.name for row in self.sets]
        width = max(map(len, ["set", *named]))
        label_width = max(len(name) for row in self.sets for name in map(self._label, row.scores))
        titles = [title for title, *_ in _COLUMNS]
        shown = [*titles, "photos", "good", "sec"]
        lines = [f"{'set':<{width}}  {'':<{label_width}}  {_padded(shown)}"]
        for row in self.sets:
            for number, (name, scores) in enumerate(row.scores.items()):
                title = "" if number else row.name
                cells = _padded(_cells(scores, row.num_views))
                lines.append(f"{title:<{width}}  {self._label(name):<{label_width}}  {cells}")
        return "\n".join([*lines, *self._attempts(), *self._remarks(), PROTOCOL])

    def _attempts(self) -> list[str]:
        """A line for each attempt, so that the choice between them can be judged."""
        return [
            f"{row.name}, {name}: {attempt.name}: {attempt.num_photos}/{row.num_views} photos, "
            f"AUC@5 {attempt.pose_auc_at_5deg:.3f}, AUC@30 {attempt.pose_auc_at_30deg:.3f}"
            for row in self.sets
            for name, attempts in row.attempts.items()
            for attempt in attempts
        ]

    def _label(self, method: str) -> str:
        return self.model if method == "network" else method

    def _remarks(self) -> list[str]:
        behind = [row.name for row in self.sets if not row.cameras_beat_trivial]
        lost = [row.name for row in self.sets if row.refinement_lost]
        remarks = (
            (
                behind,
                "The network's own cameras not clearly better than trivial ones (AUC@30 + 0.1)",
            ),
            (lost, f"Refined worse than the network by more than {_TOLERATED_LOSS} AUC@30"),
        )
        return [f"{remark}: {', '.join(names)}" for names, remark in remarks if names]


def _padded(cells: list[str]) -> str:
    return "  ".join(f"{cell:>{_WIDTH}}" for cell in cells)


def _cells(scores: Scores, num_views: int) -> list[str]:
    cells = [_number(getattr(scores, field), digits) for _, field, digits in _COLUMNS]
    counts = [_count(share, num_views) for share in (scores.registered_share, scores.trusted_share)]
    return [*cells, *counts, _number(scores.seconds, 1)]


def _count(share: float, num_views: int) -> str:
    return "-" if math.isnan(share) else f"{round(share * num_views)}/{num_views}"


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"
