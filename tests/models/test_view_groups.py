"""Photos between which a pass finds nothing in common are groups, and said to be."""

import torch

from glance3d.cli.reconstruct import group_summary
from glance3d.models.vggt.view_groups import groups_of_views, likeness_of_views
from glance3d.reporting.warnings import GROUPS, group_warnings
from glance3d.types import Predictions
from glance3d.types.report import MadeReport, Report, ReportWarning


def test_what_is_alike_by_way_of_others_is_one_group() -> None:
    likeness = torch.zeros(6, 6)
    for first, second in ((0, 3), (3, 5), (1, 4)):  # 0 and 5 by way of 3; 2 is like nothing
        likeness[first, second] = likeness[second, first] = 0.5
    likeness[0, 1] = likeness[1, 0] = 0.05
    assert groups_of_views(likeness, 0.1) == ((0, 3, 5), (1, 4), (2,))
    assert groups_of_views(likeness, 0.05) == ((0, 1, 3, 4, 5), (2,))
    assert groups_of_views(torch.ones(1, 1), 0.1) == ((0,),)


def test_a_network_that_does_not_match_knows_no_groups() -> None:
    assert likeness_of_views(Predictions((28, 28))) is None


def test_groups_are_warned_of() -> None:
    assert group_warnings(()) == []
    (text,) = group_warnings([["a.jpg", "b.jpg"], ["c.jpg"]])
    assert "2 groups of the photos: 2 (a.jpg, b.jpg); 1 (c.jpg)" in text


def test_the_summary_says_it_until_it_is_settled() -> None:
    groups = (("a.jpg", "b.jpg"), ("c.jpg",))
    warnings = ReportWarning.each("made", GROUPS, group_warnings(groups))
    report = Report(made=MadeReport(groups=groups), warnings=warnings)
    (line,) = group_summary(report)
    assert "2 groups of photos" in line
    assert "2 (a.jpg, b.jpg); 1 (c.jpg)" in line
    assert group_summary(report.without_warnings(code=GROUPS)) == []
    assert group_summary(Report()) == []
