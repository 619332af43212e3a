"""A report as typed sections and as JSON."""

import copy
import json
import pickle

import pytest

from glance3d.types import Report, ReportWarning
from glance3d.types.json_record import JsonObject
from glance3d.types.report_sections import (
    MadeReport,
    MetricScaleReport,
    ModelReport,
    RefinementReport,
    WeightsReport,
)

BLURRED = ReportWarning("made", "photos", "a photo is blurred")
WHOLE = {
    "schema": "glance3d.report/1",
    "model": {
        "name": "tiny",
        "num_parameters": 3,
        "precision": "float32",
        "weights": {
            "source": None,
            "file": "a.pt",
            "size_bytes": 7,
            "sha256": None,
            "licence": "CC0",
            "commercial_use": True,
            "note": None,
        },
    },
    "processed_size": [112, 84],
    "num_views": 2,
    "skipped": [{"source": "a.jpg", "reason": "it is empty"}],
    "warnings": ["a photo is blurred", "two photos are alone", "gps is vague", "turned?"],
    "times": {"predict": 1.5, "total": 1.5},
    "masks": None,
    "windows": None,
    "known_cameras": {"num_poses": 1, "warnings": ["turned?"]},
    "depth_alignment": {
        "a.jpg": {"scale": 1.5, "power": 1, "num_points": 3, "median_relative_error": None}
    },
    "trust": {"contradictions": [{"kind": "possible twins", "reason": "alike", "new": 1}]},
    "refinement": {
        "options": {"seed": 0},
        "attempts": [],
        "registered_by": {"a.jpg": "known"},
        "num_registered": 1,
        "num_points": 0,
        "num_observations": 0,
        "measured_share": None,
        "num_cameras": 1,
        "network_poses": {},
        "times": {"register": 0.5},
        "warnings": ["two photos are alone"],
        "from_elsewhere": [1, None, "ü"],
    },
    "metric_scale": {
        "applied": False,
        "units": "arbitrary",
        "world": "reference camera",
        "scale_by": None,
        "frame_by": None,
        "metres_per_unit": None,
        "interval_95": None,
        "estimates": [],
        "doubts": ["gps is vague"],
    },
    "units": "arbitrary",
    "checks": {"colmap": {"num_points": 3}},
    "another": {"deep": [{"x": 1.5}]},
}


def test_a_report_comes_back_from_json() -> None:
    report = Report.from_json(WHOLE)
    assert report.to_json() == WHOLE
    assert json.loads(json.dumps(report.to_json())) == WHOLE
    assert Report.from_json(report.to_json(), report.warning_codes()) == report


def test_sections_are_typed() -> None:
    report = Report.from_json(WHOLE)
    assert report.made.model.weights.licence == "CC0"
    assert report.photos.skipped[0].reason == "it is empty"
    assert report.trust.contradictions[0].unknown == {"new": 1}
    assert report.depth_alignment["a.jpg"].power == 1
    assert report.other == {"another": {"deep": ({"x": 1.5},)}}


def test_warnings_are_of_the_stage_whose_section_says_them() -> None:
    stages = [warning.stage for warning in Report.from_json(WHOLE).warnings]
    assert stages == ["made", "refinement", "metric_scale", "known_cameras"]


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"a": [1, None, "ü"]},
        {"model": "a name", "times": [1], "warnings": "no list", "skipped": 3, "trust": []},
        {"times": {"total": "long"}, "export": {"files": 3}, "versions": 7},
        {"refinement": {"registered_by": {"a": "known"}}, "metric_scale": None},
        {"additions": [{}], "known_cameras": []},
    ],
)
def test_what_no_stage_has_written_is_kept(content) -> None:
    assert Report.from_json(content).to_json() == content


def test_a_stage_that_runs_again_replaces_its_section_and_its_warnings() -> None:
    before = Report.from_json(WHOLE)
    section = MetricScaleReport(True, "metre", "gps", "gps", None, 2.0, (1.9, 2.1))
    doubts = ReportWarning.each("metric_scale", "doubt", ["gps is coarse"])
    after = before.with_section("metric_scale", section, doubts)
    assert after.to_json()["metric_scale"]["doubts"] == ["gps is coarse"]
    assert [str(warning) for warning in after.warnings] == [
        "a photo is blurred",
        "two photos are alone",
        "turned?",
        "gps is coarse",
    ]
    assert after.refinement == before.refinement
    assert before.to_json() == WHOLE


def test_a_stage_is_undone_also_where_its_section_was_not_understood() -> None:
    content = {"refinement": {"warnings": ["alone"]}, "warnings": ["alone", "blurred"]}
    assert Report.from_json(content).without("refinement").to_json() == {"warnings": ["blurred"]}


def test_warnings_of_one_code_are_settled() -> None:
    focal = ReportWarning("made", "focal_lengths", "400 pixels stated, 900 found")
    report = Report(made=MadeReport(), warnings=(BLURRED, focal))
    assert report.without_warnings("made", "focal_lengths").warnings == (BLURRED,)
    assert report.without_warnings("refinement", "focal_lengths") == report
    again = Report.from_json(report.to_json(), report.warning_codes())
    assert again.without_warnings(code="focal_lengths").warnings == (BLURRED,)
    with pytest.raises(ValueError, match="got 1 codes for 2 warnings"):
        Report.from_json(report.to_json(), ["made/photos"])


def test_the_same_sentence_is_said_once() -> None:
    report = Report(warnings=(BLURRED,))
    again = ReportWarning("additions", "photos", BLURRED.text)
    assert report.with_warnings([again]).warnings == (again,)


def test_the_total_follows_the_times() -> None:
    report = Report().with_seconds("predict", 1.25).with_seconds("refine", 2.0)
    report = report.with_seconds("refine", 3.0)
    assert report.times == {"predict": 1.25, "refine": 3.0, "total": 4.25}


def test_nothing_in_a_report_can_be_changed() -> None:
    machine = {"device": "cpu", "cores": [1]}
    report = Report(made=MadeReport(machine=machine), times={"predict": 1.0})
    machine["device"] = "cuda"
    assert report.made.machine == {"device": "cpu", "cores": (1,)}
    assert isinstance(report.times, JsonObject)
    with pytest.raises(TypeError):
        report.made.machine["device"] = "cuda"  # pyrefly: ignore


def test_a_report_can_be_copied_and_hashed() -> None:
    report = Report.from_json(WHOLE)
    assert copy.deepcopy(report) == report
    assert pickle.loads(pickle.dumps(report)) == report
    assert hash(report) == hash(Report.from_json(WHOLE))


def test_what_is_not_said_is_left_out_and_what_is_unknown_is_null() -> None:
    model = ModelReport(name="tiny", weights=WeightsReport(licence="CC0"))
    content = Report(made=MadeReport(model=model)).to_json()
    assert content.keys() == {"model", "windows", "warnings"}
    assert content["model"]["weights"]["source"] is None


def test_wrong_types_are_no_section() -> None:
    whole = WHOLE["refinement"]
    for change in ({"num_points": "3"}, {"num_points": True}, {"times": {"a": "b"}}):
        report = Report.from_json({"refinement": {**whole, **change}})
        assert report.refinement is None
    assert isinstance(Report.from_json({"refinement": whole}).refinement, RefinementReport)
