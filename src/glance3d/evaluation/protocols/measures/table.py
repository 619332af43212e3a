"""The one table of measures: a new one is a module, and a line here."""

from collections.abc import Callable

from glance3d.evaluation.protocols.measures.depth import Depth
from glance3d.evaluation.protocols.measures.measure import Measure
from glance3d.evaluation.protocols.measures.points import Points
from glance3d.evaluation.protocols.measures.pose_auc import PoseAuc
from glance3d.evaluation.protocols.measures.trajectory import Trajectory

MEASURES: dict[str, Callable[..., Measure]] = {
    "pose-auc": PoseAuc,
    "trajectory": Trajectory,
    "depth": Depth,
    "points": Points,
}


def kind_of(measure: Measure) -> str:
    """The word by which the table knows a measure."""
    return next(kind for kind, make in MEASURES.items() if make is type(measure))
