"""Bars and stages are told to whoever listens, and drawn where nobody does."""

from glance3d.progress import Progress, ProgressBar, progress_told_to, tell_stage
from glance3d.reporting.times import StageTimes


def test_a_listener_hears_stages_and_bars_and_nothing_is_drawn(capsys):
    told: list[Progress] = []
    with progress_told_to(told.append):
        with StageTimes().stage("predict"):
            for _ in ProgressBar(range(3), "network", mininterval=0):
                pass
        for _ in ProgressBar(range(3), "silent", disable=True):
            pass
    tell_stage("nobody listens")
    assert told[0] == Progress("predict", is_stage=True)
    assert [one.done for one in told[1:]] == sorted(one.done for one in told[1:])
    assert told[-1] == Progress("network", 3, 3)
    assert capsys.readouterr().err == ""


def test_without_a_listener_a_bar_is_drawn(capsys):
    for _ in ProgressBar(range(3), "network"):
        pass
    assert "network: 100%" in capsys.readouterr().err
