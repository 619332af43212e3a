"""Only weights whose licence allows commercial use, where that is asked for."""

import os

from glance3d.errors import WeightsError
from glance3d.models.weights.cards import CARDS
from glance3d.models.weights.weights_card import WeightsCard

#: Set to anything but nothing or 0, it refuses other weights in every program of this user.
VARIABLE = "GLANCE3D_COMMERCIAL_ONLY"


def is_commercial_only(asked: bool = False) -> bool:
    """Whether other weights are refused: asked for, or by the environment."""
    return asked or os.environ.get(VARIABLE, "").strip() not in ("", "0")


def refuse_other_use(card: WeightsCard | None, name: str, commercial_only: bool = False) -> None:
    """Refuse weights whose card does not say that commercial use is allowed, where that is wanted.

    Weights without a card are refused as well: nobody knows their licence.

    Raises:
        WeightsError: what is refused, why, and what is allowed.
    """
    if not is_commercial_only(commercial_only) or (card and card.commercial == "yes"):
        return
    allowed = ", ".join(known.name for known in CARDS.values() if known.commercial == "yes")
    if card is None:
        reason, way_out = "whose licence is not known", ", or leave that out if they are yours"
    else:
        says = {"no": "does not allow it", "disputed": "is disputed"}[card.commercial]
        reason, way_out = f"whose licence ({card.licence}, {card.licence_source}) {says}", ""
    raise WeightsError(
        f"weights must allow commercial use (--commercial-only or {VARIABLE}), got {name}, "
        f"{reason}: choose from {allowed}{way_out}"
    )
