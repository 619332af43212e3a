"""The gate: whether new weights are clearly better than old ones, by one fixed rule.

Both networks are measured on the same sets. Counted are pose AUC@30, depth delta < 1.25 and, where
they are known, tracks within 3 pixels, of the network alone: on the synthetic scenes, and as means
over all sets of photos, because a single set has only a few dozen pairs and its numbers are noisy.
Windows of a few photos are sets of their own, and less noisy.
"""

import math
from dataclasses import dataclass
from typing import Any

from glance3d.evaluation.report import EvaluationReport, SetReport
from glance3d.evaluation.score import mean_of_known

#: A number must rise by this much, and none may fall by more.
CLEAR_GAIN = 0.02
_COUNTED = {
    "AUC@30": "pose_auc_at_30deg",
    "d<1.25": "depth_delta_125_scale_aligned",
    "trk<3px": "track_within_3px",
}
_SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class Comparison:
    """One counted number of the old and of the new network."""

    name: str
    old: float
    new: float

    @property
    def gain(self) -> float:
        """How much higher the new one's is."""
        return self.new - self.old


@dataclass(frozen=True)
class Gate:
    """Reports of the old and the new network on the same sets, and the verdict."""

    old: EvaluationReport
    new: EvaluationReport

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every number that counts and is known of both."""
        comparisons = []
        for group in ("synthetic scenes", "photos"):
            for title, field in _COUNTED.items():
                means = [_mean(report, field, group == "photos") for report in (self.old, self.new)]
                if not any(map(math.isnan, means)):
                    comparisons.append(Comparison(f"{group}, {title}", *means))
        return tuple(comparisons)

    @property
    def clearly_better(self) -> bool:
        """Whether some number rose clearly and none fell clearly."""
        gains = [comparison.gain for comparison in self.comparisons]
        return bool(gains) and max(gains) >= CLEAR_GAIN and min(gains) >= -CLEAR_GAIN

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "old": self.old.to_dict(),
            "new": self.new.to_dict(),
            "counted": {c.name: {"old": c.old, "new": c.new} for c in self.comparisons},
            "clearly_better": self.clearly_better,
        }

    def to_table(self) -> str:
        """Both tables, the numbers that count, and the verdict."""
        counted = [
            f"{c.name:<26}  {c.old:.3f} -> {c.new:.3f}  ({c.gain:+.3f})" for c in self.comparisons
        ]
        verdict = "clearly better" if self.clearly_better else "NOT clearly better"
        rule = f"one number up by {CLEAR_GAIN}, none down by more"
        tables = ["old:", self.old.to_table(), "", "new:", self.new.to_table(), ""]
        return "\n".join([*tables, *counted, f"The new weights are {verdict} ({rule})."])


def _mean(report: EvaluationReport, field: str, of_photos: bool) -> float:
    return mean_of_known(
        getattr(row.scores["network"], field)
        for row in report.sets
        if _is_synthetic(row) != of_photos
    )


def _is_synthetic(row: SetReport) -> bool:
    return row.name == _SYNTHETIC
