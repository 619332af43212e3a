"""Scores as a table for people and as JSON for programs."""

import math
from dataclasses import dataclass
from typing import Any

from glance3d.evaluation.score import Scores

# column title, field of Scores, digits
_COLUMNS = (
    ("AUC@5", "pose_auc_at_5deg", 3),
    ("AUC@15", "pose_auc_at_15deg", 3),
    ("AUC@30", "pose_auc_at_30deg", 3),
    ("rot deg", "rotation_error_deg_median", 1),
    ("dir deg", "translation_error_deg_median", 1),
    ("fov deg", "fov_error_deg", 1),
    ("AbsRel", "depth_absrel_scale_aligned", 3),
    ("d<1.25", "depth_delta_125_scale_aligned", 3),
)

PROTOCOL = (
    "AUC@T: share of view pairs whose larger error (rotation; translation direction) is below k "
    "degrees, mean over k = 1..T. rot, dir: medians over pairs. fov: mean error of both axes. "
    "AbsRel, d<1.25: depth at original pixels after one median factor a scene. "
    "Means over scenes; - where there is no truth."
)


@dataclass(frozen=True)
class SetReport:
    """One set's scores, the network's and the trivial baseline's under the same protocol."""

    name: str
    about: str
    num_scenes: int
    num_views: int
    network: Scores
    trivial: Scores

    @property
    def cameras_beat_trivial(self) -> bool:
        """Whether the network's cameras are better than none: AUC at 30 degrees, by 0.1."""
        return self.network.pose_auc_at_30deg > self.trivial.pose_auc_at_30deg + 0.1


@dataclass(frozen=True)
class EvaluationReport:
    """Everything measured about one network."""

    model: str
    sets: tuple[SetReport, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "model": self.model,
            "protocol": PROTOCOL,
            "sets": [
                {
                    "name": row.name,
                    "about": row.about,
                    "num_scenes": row.num_scenes,
                    "num_views": row.num_views,
                    "network": row.network.to_dict(),
                    "trivial": row.trivial.to_dict(),
                    "cameras_beat_trivial": row.cameras_beat_trivial,
                }
                for row in self.sets
            ],
        }

    def to_table(self) -> str:
        """Two lines a set: the network, then the trivial baseline."""
        width = max([len(row.name) for row in self.sets] + [len("set")])
        who = max(len(self.model), len("trivial"))
        titles = "  ".join(f"{title:>7}" for title, *_ in _COLUMNS)
        lines = [f"{'set':<{width}}  {'':<{who}}  {titles}"]
        for row in self.sets:
            lines.append(f"{row.name:<{width}}  {self.model:<{who}}  {_cells(row.network)}")
            lines.append(f"{'':<{width}}  {'trivial':<{who}}  {_cells(row.trivial)}")
        behind = [row.name for row in self.sets if not row.cameras_beat_trivial]
        if behind:
            lines.append(
                "Cameras not clearly better than the trivial baseline (AUC@30 + 0.1): "
                + ", ".join(behind)
            )
        return "\n".join([*lines, PROTOCOL])


def _cells(scores: Scores) -> str:
    cells = []
    for _, field, digits in _COLUMNS:
        value = getattr(scores, field)
        cells.append(f"{'-':>7}" if math.isnan(value) else f"{value:>7.{digits}f}")
    return "  ".join(cells)
