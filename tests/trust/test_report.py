"""Verdicts in words: strict JSON, and lines for the terminal."""

import json
from dataclasses import replace

import pytest

from glance3d.files.atomic import to_json_text
from glance3d.trust.evidence import ViewEvidence
from glance3d.trust.report import describe_trust, trust_text
from glance3d.trust.rules import VERDICTS, judge
from glance3d.types import Reconstruction, Report, ViewTrust
from glance3d.types.json_record import from_json, to_json
from glance3d.types.report_sections import Contradiction, TrustReport
from tests.refinement.rendered import Room, arc, build_scene, with_tracks

HELD = ViewEvidence("bundle adjustment", 800, 3, 0.0, 0.0, 9.0, 0.3, matches_others=True)
GUESS = ViewEvidence("similarity", 0, 0)


@pytest.fixture(scope="module")
def scene() -> Reconstruction:
    return with_tracks(build_scene([Room()] * 4, arc(4)))


def test_a_scene_that_nobody_checked_is_described_as_such() -> None:
    scene = build_scene([Room()] * 3, arc(3))
    assert describe_trust(scene).summary["unsupported"] == 3
    assert "refine to know" in trust_text(scene)[0]


def test_the_description_is_strict_json(scene: Reconstruction) -> None:
    finding = {"kind": "double surface", "views": ["a"], "groups": [["a"]], "reason": "twice"}
    judged = replace(scene, trust=judge(scene, [HELD] * 3 + [GUESS]))
    content = to_json(describe_trust(judged, [from_json(Contradiction, finding)]))
    described = json.loads(to_json_text(content))
    assert described == content
    assert [view["name"] for view in described["views"]] == list(scene.names)
    counts = described["summary"]
    assert sum(counts.get(verdict, 0) for verdict in VERDICTS) == counts["num_views"] == 4
    assert described["contradictions"] == [finding]


def test_the_text_has_one_aligned_line_a_photo_the_worst_first(scene: Reconstruction) -> None:
    judged = replace(
        scene,
        trust=judge(scene, [HELD] * 3 + [GUESS]),
        report=Report(trust=TrustReport(contradictions=(Contradiction("walls are there twice"),))),
    )
    summary, heading, *lines, warning = trust_text(judged)
    assert summary.startswith("trust in 4 photos: 3 good, 1 ")
    assert len(lines) == 4
    assert lines[0].split()[:2] == ["unsupported", "view03.png"] or "similarity" in lines[0]
    assert all(line[heading.index("reason") - 1] == " " for line in lines)
    assert all(line[heading.index("reason")] != " " for line in lines)
    assert warning == "warning: walls are there twice"


def test_of_many_photos_the_good_ones_are_summarised_in_one_line() -> None:
    scene = build_scene([Room()] * 2, arc(2))
    good = ViewTrust("bundle adjustment", 500, 0.4, 1.0, 0.9, "good", "500 tracks")
    weak = ViewTrust("similarity", 0, None, None, None, "weak", "few matches")
    many = replace(
        scene,
        names=tuple(f"a rather long folder of photos/{i:06d}.jpg" for i in range(200)),
        trust=(weak, *[replace(good, num_tracks=100 + i) for i in range(199)]),
    )
    lines = trust_text(many)
    assert len(lines) == 4
    assert "199 photos with 100 to 298 tracks" in lines[-1]
    assert "few matches" in lines[2]
    assert max(map(len, lines)) < 140
