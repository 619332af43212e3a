"""What a refined scene still warns of."""

from glance3d.models.weights.cards import CARDS
from glance3d.refinement.report import with_refinement
from glance3d.types import Report, ReportWarning
from glance3d.types.report_sections import RefinementReport

CARD = CARDS["glance-small"]
LIMITS = ReportWarning("made", "model_limits", CARD.warning(CARD.limits))
FOCAL = ReportWarning("made", "focal_lengths", "400 pixels by its file, 900 found")
KNOWN = ReportWarning("known_cameras", "known_cameras", "one known camera has no photo")
BLURRED = ReportWarning("made", "photos", "a photo is blurred")
BETTER = ReportWarning("made", "better_model", "these cameras are doubtful, and ...")
TURNED = ReportWarning("refinement", "few_matches", "one photo is turned")


def refinement(registered: int, measured: float | None = 0.5, known: bool = False):
    return RefinementReport(
        options={},
        attempts=(),
        registered_by={"a.jpg": "bundle adjustment", "b.jpg": "network"},
        num_registered=registered,
        num_points=9,
        num_observations=20,
        measured_share=measured,
        num_cameras=2,
        network_poses={},
        times={"match": 1.0},
        known_cameras={"num_poses": 2} if known else None,
    )


def refined_report(*section, **options) -> Report:
    before = Report(warnings=(LIMITS, FOCAL, KNOWN, BLURRED))
    return with_refinement(before, refinement(*section, **options), [TURNED])


def test_what_guesses_lack_is_settled_where_nothing_is_guessed() -> None:
    assert CARD.limits
    assert refined_report(2).warnings == (KNOWN, BLURRED, TURNED)


def test_limits_stay_where_a_photo_or_its_depth_is_a_guess() -> None:
    assert refined_report(1).warnings == (LIMITS, FOCAL, KNOWN, BLURRED, TURNED)
    assert refined_report(2, None).warnings == (LIMITS, KNOWN, BLURRED, TURNED)


def test_what_was_said_of_known_cameras_is_said_anew_where_they_are_held() -> None:
    assert refined_report(1, known=True).warnings == (LIMITS, FOCAL, BLURRED, TURNED)


def test_refining_again_says_only_what_is_still_so() -> None:
    aligned = ReportWarning("refinement", "few_matches", "two photos are alone")
    again = with_refinement(refined_report(1), refinement(1), [aligned])
    assert again.warnings == (LIMITS, FOCAL, KNOWN, BLURRED, aligned)
    assert again.to_json()["refinement"]["warnings"] == ["two photos are alone"]
    assert again.times == {"refine": 1.0, "total": 1.0}


def test_which_model_is_better_is_said_once_or_settled() -> None:
    before = Report(warnings=(BETTER, BLURRED))
    again = ReportWarning("refinement", "better_model", BETTER.text)
    assert with_refinement(before, refinement(1), [again]).warnings == (BLURRED, again)
    assert with_refinement(before, refinement(1), []).warnings == (BLURRED,)
