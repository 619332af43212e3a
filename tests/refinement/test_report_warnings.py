"""What a refined scene still warns of."""

from glance3d.models.weights.cards import CARDS
from glance3d.refinement.refine import _with_refinement

CARD = CARDS["glance-small"]


def refined_report(registered: int, measured: float | None) -> dict:
    report = {"model": {"name": CARD.name}, "warnings": [*CARD.warnings, "a photo is blurred"]}
    described = {
        "warnings": ["one photo is turned"],
        "times": {"match": 1.0},
        "num_registered": registered,
        "registered_by": {"a.jpg": "bundle adjustment", "b.jpg": "network"},
        "measured_share": measured,
    }
    return _with_refinement({}, report, described)


def test_limits_of_guesses_are_settled_where_nothing_is_guessed() -> None:
    assert CARD.limits
    assert refined_report(2, 0.5)["warnings"] == ["a photo is blurred", "one photo is turned"]


def test_limits_stay_where_a_photo_or_its_depth_is_a_guess() -> None:
    limits = f"{CARD.name}: {CARD.limits}"
    assert limits in refined_report(1, 0.5)["warnings"]
    assert limits in refined_report(2, None)["warnings"]
