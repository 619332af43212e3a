"""How alike a pass of a network that matches finds its views, and into which groups these fall."""

from jaxtyping import Float
from torch import Tensor

from glance3d.multiview.matching.chosen_pairs import view_likeness
from glance3d.multiview.reconcile import MatchedPredictions
from glance3d.retrieval import spanning_tree
from glance3d.types import Predictions

#: Of photos of different places 0.002 and 0.014 at two resolutions; the weakest tie within sets of
#: one place is 0.037 or more (fox, lund_door, the temple's ring, glance-small).
NOTHING_IN_COMMON = 0.03


def likeness_of_views(predictions: Predictions) -> Float[Tensor, "views views"] | None:
    """By their matches (:func:`view_likeness`), on the CPU; None where the network has none.

    The host waits for them.
    """
    if not isinstance(predictions, MatchedPredictions):
        return None
    matched = predictions.matched
    likeness = view_likeness(matched.described) if matched.likeness is None else matched.likeness
    return likeness[0].float().cpu()


def groups_of_views(
    likeness: Float[Tensor, "views views"], least: float
) -> tuple[tuple[int, ...], ...]:
    """Views that others like them connect, ``least`` at the least; in order of their first."""
    group = list(range(len(likeness)))
    for known, new, how_alike in spanning_tree(likeness):
        if how_alike >= least:
            group[new] = group[known]
    numbers = dict.fromkeys(group)
    return tuple(
        tuple(view for view, own in enumerate(group) if own == number) for number in numbers
    )
