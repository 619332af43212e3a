"""Matches of chosen pairs are those of all pairs."""

import torch
import torch.nn.functional as F

from glance3d.multiview.matches import Descriptors, find_matches
from glance3d.multiview.pair_matching import (
    as_square,
    choose_pairs,
    cross_likeness,
    match_pairs,
    view_likeness,
)

GRID = (6, 8)


def described(views: int = 5, seed: int = 0) -> Descriptors:
    generator = torch.Generator().manual_seed(seed)
    descriptors = F.normalize(torch.randn(2, views, 48, 16, generator=generator), dim=-1)
    return Descriptors(descriptors, GRID, torch.tensor(20.0), torch.tensor(10.0))


def test_pairs_are_matched_as_all_views_are() -> None:
    cells = described()
    first, second = torch.tensor([[0, 1, 2], [3, 0, 1]]), torch.tensor([[4, 2, 3], [4, 1, 4]])
    every, chosen = find_matches(*cells), match_pairs(cells, first, second)
    scene = torch.arange(2)[:, None]
    for whole, pairs in zip(every, chosen, strict=True):
        square = as_square(pairs, first, second, 5)
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
