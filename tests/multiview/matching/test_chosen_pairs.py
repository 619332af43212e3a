"""Matches of chosen pairs are those of all pairs."""

import pytest
import torch
import torch.nn.functional as F

from glance3d.multiview.matches import ChosenPairs, Descriptors
from glance3d.multiview.matching import chosen_pairs
from glance3d.multiview.matching.chosen_pairs import (
    choose_pairs,
    cross_likeness,
    match_pairs,
    view_likeness,
)
from glance3d.multiview.matching.soft_matches import find_matches

GRID = (6, 8)


def described(views: int = 5, seed: int = 0) -> Descriptors:
    generator = torch.Generator().manual_seed(seed)
    descriptors = F.normalize(torch.randn(2, views, 48, 16, generator=generator), dim=-1)
    return Descriptors(descriptors, GRID, torch.tensor(20.0), torch.tensor(10.0))


def test_pairs_are_matched_as_all_views_are() -> None:
    cells = described()
    first, second = torch.tensor([[0, 1, 2], [3, 0, 1]]), torch.tensor([[4, 2, 3], [4, 1, 4]])
    pairs = ChosenPairs(first, second)
    every, chosen = find_matches(*cells), match_pairs(cells, pairs)
    scene = torch.arange(2)[:, None]
    for whole, of_pairs in zip(every, chosen, strict=True):
        square = pairs.as_square(of_pairs, 5)
        for v, w in ((first, second), (second, first)):
            torch.testing.assert_close(square[scene, v, w], whole[scene, v, w])
        assert square[0, 0, 1].abs().max() == 0


def test_every_view_keeps_those_it_is_most_alike_to() -> None:
    generator = torch.Generator().manual_seed(1)
    likeness = torch.rand(2, 9, 9, generator=generator) / 100
    likeness = (likeness + likeness.mT) / 2
    first, second = choose_pairs(likeness, 3)
    assert first.shape == (2, 27)
    assert (first < second).all()
    for scene in range(2):
        chosen = set(zip(first[scene].tolist(), second[scene].tolist(), strict=True))
        assert len(chosen) == 27
        for view in range(9):
            others = [(float(likeness[scene, view, w]), w) for w in range(9) if w != view]
            for _, other in sorted(others, reverse=True)[:3]:
                assert (min(view, other), max(view, other)) in chosen


def test_of_few_views_all_pairs_are_chosen() -> None:
    first, second = choose_pairs(view_likeness(described()), 16)
    pairs = sorted(zip(first[0].tolist(), second[0].tolist(), strict=True))
    assert pairs == [(v, w) for v in range(5) for w in range(v + 1, 5)]


def test_likeness_sees_the_same_and_not_another() -> None:
    cells, another = described(), described(seed=7)
    shuffled = cells._replace(descriptors=cells.descriptors[:, [1, 0, 2, 3, 4]])
    crossed = cross_likeness(cells, shuffled)
    torch.testing.assert_close(crossed, crossed.mT)
    assert (crossed[:, 0, 1] > 0.6).all()
    assert (crossed[:, 0, 0] < 0.4).all()
    assert (cross_likeness(cells, another) < 0.4).all()


def test_only_the_surest_matches_of_a_pair_are_kept() -> None:
    cells, pairs = described(), ChosenPairs(torch.tensor([[0], [1]]), torch.tensor([[4], [2]]))
    every, few = match_pairs(cells, pairs), match_pairs(cells, pairs, best=7)
    sure = (every.window_probability * every.mutual).topk(7, -1).values
    assert few.target_xy.shape == (2, 2, 1, 7, 2)
    torch.testing.assert_close(few.window_probability * few.mutual, sure)


def walk(views: int) -> Descriptors:
    """Each view shows two thirds of what the one before it shows, and something new."""
    generator = torch.Generator().manual_seed(3)
    seen = F.normalize(torch.randn(16 * (views + 2), 64, generator=generator), dim=-1)
    own = torch.stack([seen[16 * view : 16 * view + 48] for view in range(views)])
    return Descriptors(own[None], GRID, torch.tensor(40.0), torch.tensor(20.0))


def test_of_many_views_candidates_alone_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    cells, compared = walk(30), []
    real = chosen_pairs.match_pairs

    def counting(coarse: Descriptors, pairs: ChosenPairs, radius: int) -> object:
        compared.append(pairs.first.shape[1])
        return real(coarse, pairs, radius)

    every, crossed = view_likeness(cells), cross_likeness(cells, cells)
    monkeypatch.setattr(chosen_pairs, "CANDIDATES_PER_VIEW", 6)
    monkeypatch.setattr(chosen_pairs, "match_pairs", counting)
    likeness = view_likeness(cells)
    assert compared == [6 * 30]
    torch.testing.assert_close(likeness, likeness.mT)
    off = ~torch.eye(30, dtype=torch.bool)
    known = (likeness[0] > 0) & off
    assert known.sum() == 2 * 6 * 30
    torch.testing.assert_close(likeness[0][known], every[0][known])
    # What is truly seen again is among the candidates.
    assert all(likeness[0, view, view + 1] > 0.2 for view in range(29))
    both = cross_likeness(cells, cells)
    assert compared == [6 * 30] * 3
    known = (both[0] > 0) & off
    torch.testing.assert_close(both[0][known], crossed[0][known])
