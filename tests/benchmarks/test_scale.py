"""What is said of growth: fits of known curves, counted work, and runs that are not run twice."""

from pathlib import Path

import pytest
from benchmarks.scale import measured, paper
from benchmarks.scale.measured import Row, exponent, linear_and_square, rows, table

from glance3d.models.config import vggt_1b

COUNTS = [25, 50, 100, 200]


def row(kind: str, photos: int, seconds: float) -> Row:
    return Row(kind, photos, 2, seconds, 0.0, seconds, 10**9, 10**9, 10**6)


def test_curves_are_found_again() -> None:
    assert exponent(COUNTS, [3 * n**1.2 for n in COUNTS]) == pytest.approx(1.2)
    fitted = linear_and_square(COUNTS, [0.5 * n + 0.002 * n**2 for n in COUNTS])
    assert fitted == pytest.approx((0.5, 0.002))


def test_what_grows_with_the_square_is_said() -> None:
    text = "\n".join(table([row("cameras", n, 0.5 * n + 0.005 * n**2) for n in COUNTS]))
    assert "half of the network's time from 100 photos on" in text


def test_a_run_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        (tmp_path / f"{number}.jpg").touch()
    made: list[int] = []

    def run(photos: list[Path], kind: str, threads: int) -> Row:
        if len(photos) > 3 and not made[1:]:
            made.append(0)
            raise KeyboardInterrupt
        made.append(len(photos))
        return row(kind, len(photos), 1.0)

    monkeypatch.setattr(measured, "run", run)
    asked = (tmp_path, [3, 4, 50], ["cameras"], 2, tmp_path / "kept.jsonl")
    with pytest.raises(KeyboardInterrupt):
        list(rows(*asked))
    assert [each.photos for each in rows(*asked)] == [3, 4, 6]  # as many as there are
    assert made == [3, 0, 4, 6]


def test_work_is_what_the_paper_of_the_network_counts() -> None:
    config, tokens = vggt_1b(), paper.tokens_of_a_photo(vggt_1b())
    assert tokens == 893
    work = paper.count(config, 10)
    assert work.linear == pytest.approx(1.812e9 * 10 * tokens, rel=1e-3)
    assert work.attention == 98_304 * (10 * tokens) ** 2 + 196_608 * 10 * tokens**2
    rates = paper.Rates()
    assert paper.seconds(work, 8, rates) == pytest.approx(paper.seconds(work, 1, rates) / 8)
