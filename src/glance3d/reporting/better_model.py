"""That a scene's cameras are doubtful, and which free model is more accurate."""

import numpy as np

from glance3d.models.weights.choice import better_free_model, how_to_use
from glance3d.models.weights.weights_card import WeightsCard
from glance3d.reporting.depth_consistency import measure_depth_consistency
from glance3d.types import VERDICTS, Reconstruction, ReportWarning
from glance3d.types.report import Stage

#: The code of this warning; of a scene that is refined, the verdicts decide anew.
BETTER_MODEL = "better_model"
# Of the surface points of the median view, the share that lie on the surface of one other view. One
# pass of glance-small on real photos: 0.95 (lund_door), 0.84 (motorcycle) and 0.71 (fox), whose
# pose AUC@5 is 0.99, 0.80 and 0.32; 0.30 (templeSparseRing) and 0.17 (hololens_office): below 0.01.
_CONFIRMED = 0.5
_MOSTLY_GOOD = 0.5  # of the photos


def better_model_warnings(
    card: WeightsCard | None, scene: Reconstruction, stage: Stage
) -> tuple[ReportWarning, ...]:
    """The free model to try, where one is known and the scene is doubtful; ``card`` made it."""
    better = better_free_model(card)
    if card is None or better is None or not is_doubtful(scene):
        return ()
    about = [better.licence]
    if better.size_bytes is not None:
        about.append(f"{better.size_bytes / 1e6:.0f} MB")
    if better.pose_accuracy is not None:
        about.append(f"published pose AUC@30 {better.pose_accuracy.mean:.1f}")
    text = (
        f"these cameras are doubtful, and a more accurate model than {card.name} is free: "
        f"{better.name} ({', '.join(about)}): {how_to_use(better)}"
    )
    return ReportWarning.each(stage, BETTER_MODEL, [text])


def is_doubtful(scene: Reconstruction) -> bool:
    """Whether few photos are good, or, where nobody judged them, views confirm each other little.

    One photo alone is not: no model sees more in it.
    """
    if scene.num_views < 2:
        return False
    if scene.trust is not None:
        good = sum(view.verdict == VERDICTS[-1] for view in scene.trust)
        return good < _MOSTLY_GOOD * scene.num_views
    if scene.depth is None or scene.points_world is None:
        return False
    pairs = measure_depth_consistency(scene)
    confirmed = (np.asarray(pairs.overlap) * np.asarray(pairs.agreeing)).max(axis=1)
    return float(np.median(confirmed)) < _CONFIRMED
