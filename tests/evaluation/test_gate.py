import dataclasses
import json
import math

import pytest

from glance3d.cli import main
from glance3d.evaluation import EvaluationReport, Gate, Scores, SetReport


def scores(auc: float, delta: float = math.nan) -> Scores:
    unknown = dict.fromkeys((f.name for f in dataclasses.fields(Scores)), math.nan)
    known = {"pose_auc_at_30deg": auc, "depth_delta_125_scale_aligned": delta}
    return Scores(**unknown | known)


def report(synthetic: float, *photos: float, delta: float = 0.5) -> EvaluationReport:
    values = {"synthetic": synthetic, **{f"photos{i}": auc for i, auc in enumerate(photos)}}
    rows = [
        SetReport(name, "", 1, 3, {"network": scores(auc, delta), "trivial": scores(0.02)})
        for name, auc in values.items()
    ]
    return EvaluationReport("tiny", tuple(rows))


@pytest.mark.parametrize(
    ("new", "better"),
    [
        (report(0.10, 0.10, 0.10), False),  # the same
        (report(0.13, 0.10, 0.10), True),
        (report(0.11, 0.10, 0.10), False),  # not by enough
        (report(0.30, 0.05, 0.05), False),  # at the cost of photos
        (report(0.30, 0.02, 0.18), True),  # single sets may swing
        (report(0.10, 0.10, 0.10, delta=0.55), True),
        (report(0.30, 0.10, 0.10, delta=0.45), False),
    ],
)
def test_the_verdict(new: EvaluationReport, better: bool) -> None:
    gate = Gate(report(0.10, 0.10, 0.10), new)
    assert gate.clearly_better is better
    assert ("NOT clearly better" in gate.to_table()) is not better
    assert json.loads(json.dumps(gate.to_dict()))["clearly_better"] is better


def test_what_is_not_known_does_not_count() -> None:
    gate = Gate(report(0.1, delta=math.nan), report(0.2, delta=math.nan))
    assert [comparison.name for comparison in gate.comparisons] == ["synthetic scenes, AUC@30"]
    assert gate.clearly_better


@pytest.mark.long
def test_a_network_is_no_better_than_itself(tiny_weights, tmp_path, capsys, monkeypatch) -> None:
    from glance3d.models import zoo
    from glance3d.models.config import tiny
    from glance3d.models.weights.cards import CARDS

    card = dataclasses.replace(CARDS["vggt-1b"], name="tiny", build_config=tiny)
    monkeypatch.setitem(zoo.CARDS, "tiny", card)
    words = ["--model", str(tiny_weights), "--against", str(tiny_weights), "--device", "cpu"]
    out = tmp_path / "gate"
    words += ["--synthetic-scenes", "2", "--synthetic-pixels", str(96 * 96)]
    assert main(["evaluate", *words, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "NOT clearly better" in printed
    assert json.loads((out / "evaluation.json").read_text())["clearly_better"] is False
