"""The most similar feature: against a slow search, and on maps that are shifted copies."""

import pytest
import torch

from glance3d.models import VGGT
from glance3d.tracking.by_matching import MatchingFollower
from glance3d.tracking.feature_maps import FeatureMaps
from glance3d.types import Placement

ROWS, COLUMNS = 20, 24
SHIFT = (3, -2)  # cells, x and y


def shifted_maps(content: torch.Tensor | None = None, noise: float = 0.0) -> FeatureMaps:
    """A view, and the same scene SHIFT cells further; the rest of the second is other noise."""
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 32, ROWS, COLUMNS, generator=generator)
    dx, dy = SHIFT
    second[:, : ROWS + dy, dx:] = first[:, -dy:, : COLUMNS - dx]
    maps = torch.stack([first, second])
    maps = maps + noise * torch.randn(maps.shape, generator=generator)
    placement = Placement((COLUMNS * 6, ROWS * 6), (COLUMNS * 2, ROWS * 2), (1 / 3, 1 / 3))
    if content is None:
        content = torch.ones(2, ROWS, COLUMNS, dtype=torch.bool)
    return FeatureMaps(maps, content, (placement, placement))


def centers(features: FeatureMaps, cells: list[tuple[int, int]]) -> torch.Tensor:
    return features.to_original(torch.tensor(cells).float(), 0)


def test_shifted_copies_are_found_where_they_are(network: VGGT):
    features = shifted_maps()
    pixels = centers(features, [(5, 6), (12, 10), (17, 4)])
    found = MatchingFollower(network, features).follow(0, pixels, [1])
    # A window of random features about the best one leaves little besides it.
    moved = pixels + torch.tensor(SHIFT) * 6
    assert (found.positions[0] - moved).abs().max() < 0.2
    assert found.visibility.min() > 0.97
    assert found.confidence.min() > 0.999


def test_what_is_not_in_the_other_view_is_not_visible(network: VGGT):
    features = shifted_maps()
    gone = centers(features, [(22, 10), (23, 15), (10, 0), (22, 1)])
    found = MatchingFollower(network, features).follow(0, gone, [1])
    assert ((found.visibility < 0.5) | (found.confidence < 0.9)).all()


def test_padding_is_never_found(network: VGGT):
    content = torch.ones(2, ROWS, COLUMNS, dtype=torch.bool)
    content[1, :, 12:] = False
    features = shifted_maps(content)
    found = MatchingFollower(network, features).follow(0, centers(features, [(14, 10)]), [1])
    assert found.positions[0, 0, 0] < 12 * 6 + 2 * 6  # a window reaches two cells further
    assert found.confidence[0, 0] < 0.9


def test_against_a_slow_search(network: VGGT):
    features = shifted_maps(noise=0.3)
    pixels = centers(features, [(3, 7), (9, 12), (15, 16), (20, 3)])
    found = MatchingFollower(network, features).follow(0, pixels, [1])
    norm = network.track_head.tracker.map_norm
    for index, (x, y) in enumerate([(3, 7), (9, 12), (15, 16), (20, 3)]):
        wanted = norm(features.maps[0, :, y, x])
        best, where = -2.0, (0, 0)
        for row in range(ROWS):
            for column in range(COLUMNS):
                other = norm(features.maps[1, :, row, column])
                cosine = float(wanted @ other / (wanted.norm() * other.norm()))
                if cosine > best:
                    best, where = cosine, (column, row)
        assert found.confidence[0, index] == pytest.approx(best, abs=1e-5)
        cell = features.to_cells(found.positions[0, index][None], 1)[0]
        assert (cell - torch.tensor(where)).abs().max() < 1.0  # the mean of a window around it


def test_many_queries_at_a_time_give_the_same(network: VGGT, monkeypatch: pytest.MonkeyPatch):
    features = shifted_maps(noise=0.3)
    pixels = centers(features, [(x, y) for x in range(2, 22, 3) for y in range(2, 18, 3)])
    whole = MatchingFollower(network, features).follow(1, pixels, [0])
    monkeypatch.setattr("glance3d.tracking.by_matching._SIMILARITIES", 5 * ROWS * COLUMNS)
    chunked = MatchingFollower(network, features).follow(1, pixels, [0])
    for a, b in zip(whole, chunked, strict=True):
        torch.testing.assert_close(a, b)


def test_return_errors_undo_visibility(network: VGGT):
    follower = MatchingFollower(network, shifted_maps())
    errors = follower.return_errors(torch.tensor([1.0, 0.5, 0.0]))
    assert errors.tolist() == [0.0, 4.0, torch.inf]  # pixels of the grid: two cells are four
