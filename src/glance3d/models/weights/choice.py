"""Which of the known models: the best on this machine, and a better one that anybody may have.

Models are ranked by the published accuracy on their cards; one without comes last.
"""

from dataclasses import dataclass

from glance3d.models.weights.cards import CARDS
from glance3d.models.weights.commercial import is_commercial_only
from glance3d.models.weights.fetch import find_weights
from glance3d.models.weights.weights_card import WeightsCard

#: The name that stands for the best model on this machine.
AUTO = "auto"


@dataclass(frozen=True)
class ModelChoice:
    """The model that was taken, and why."""

    card: WeightsCard
    reason: str


def best_on_this_machine(commercial_only: bool = False) -> ModelChoice:
    """The most accurate model whose weights are here and may be used; nothing is fetched."""
    only = is_commercial_only(commercial_only)
    present = [card for card in CARDS.values() if find_weights(card) is not None]
    allowed = [card for card in present if card.commercial == "yes" or not only]
    best = max(allowed, key=_rank, default=next(iter(CARDS.values())))
    others = [card.name for card in allowed if card is not best]
    reason = f"the best of {len(allowed)} models" if others else "the only model"
    reason += " on this machine" + (" that may be used commercially" if only else "")
    if best.pose_accuracy is not None:
        reason += f", by its published pose AUC@30 of {best.pose_accuracy.mean:.1f}"
    if others:
        reason += f"; the others: {', '.join(others)}"
    return ModelChoice(best, reason)


def better_free_model(card: WeightsCard | None) -> WeightsCard | None:
    """A more accurate model that anybody may fetch and use for anything; None where none is known.

    One that is on this machine is preferred, the best of them; else the smallest download.
    Weights without a card are compared with none.
    """
    if card is None:
        return None
    better = [other for other in CARDS.values() if other.is_free and _rank(other) > _rank(card)]
    present = [other for other in better if find_weights(other) is not None]
    if present:
        return max(present, key=_rank)
    return min(better, key=lambda other: other.num_parameters, default=None)


def how_to_use(card: WeightsCard) -> str:
    """The commands that bring a model into use."""
    fetch = "" if find_weights(card) else f"glance3d models --fetch {card.name}, then "
    return f"{fetch}glance3d reconstruct ... --model {card.name}"


def _rank(card: WeightsCard) -> float:
    return 0.0 if card.pose_accuracy is None else card.pose_accuracy.mean
