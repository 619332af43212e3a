"""The most similar feature: against a slow search, and on maps that are shifted copies."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

import glance3d
from glance3d.models import VGGT
from glance3d.multiview.matches import Descriptors
from glance3d.multiview.matching import descriptor_tracking
from glance3d.multiview.matching.descriptor_tracking import FEATURE_STRIDE
from glance3d.tracking.by_matching import MatchingTracker
from glance3d.tracking.feature_maps import FeatureMaps, predict_with_features
from glance3d.types import Placement
from tests.tracking.conftest import as_batch

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
    tracked = MatchingTracker(network, features).track(0, pixels, [1])
    # A window of random features about the best one leaves little besides it.
    moved = pixels + torch.tensor(SHIFT) * 6
    assert (tracked.positions[0] - moved).abs().max() < 0.2
    assert tracked.visibility.min() > 0.97
    assert tracked.confidence.min() > 0.999


def test_what_is_not_in_the_other_view_is_not_visible(network: VGGT):
    features = shifted_maps()
    gone = centers(features, [(22, 10), (23, 15), (10, 0), (22, 1)])
    tracked = MatchingTracker(network, features).track(0, gone, [1])
    assert ((tracked.visibility < 0.5) | (tracked.confidence < 0.85)).all()


def test_padding_is_never_found(network: VGGT):
    content = torch.ones(2, ROWS, COLUMNS, dtype=torch.bool)
    content[1, :, 12:] = False
    features = shifted_maps(content)
    tracked = MatchingTracker(network, features).track(0, centers(features, [(14, 10)]), [1])
    assert tracked.positions[0, 0, 0] < 12 * 6 + 2 * 6  # a window reaches two cells further
    assert tracked.confidence[0, 0] < 0.85


def test_against_a_slow_search(network: VGGT):
    features = shifted_maps(noise=0.3)
    pixels = centers(features, [(3, 7), (9, 12), (15, 16), (20, 3)])
    tracked = MatchingTracker(network, features).track(0, pixels, [1])
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
        assert tracked.confidence[0, index] == pytest.approx(best, abs=1e-5)
        cell = features.to_cells(tracked.positions[0, index][None], 1)[0]
        assert (cell - torch.tensor(where)).abs().max() < 1.0  # the mean of a window around it


def test_many_queries_at_a_time_give_the_same(network: VGGT, monkeypatch: pytest.MonkeyPatch):
    features = shifted_maps(noise=0.3)
    pixels = centers(features, [(x, y) for x in range(2, 22, 3) for y in range(2, 18, 3)])
    whole = MatchingTracker(network, features).track(1, pixels, [0])
    monkeypatch.setattr(descriptor_tracking, "_SIMILARITIES", 5 * ROWS * COLUMNS)
    chunked = MatchingTracker(network, features).track(1, pixels, [0])
    for a, b in zip(whole, chunked, strict=True):
        torch.testing.assert_close(a, b)


def test_return_errors_undo_visibility(network: VGGT):
    tracker = MatchingTracker(network, shifted_maps())
    errors = tracker.return_errors(torch.tensor([1.0, 0.5, 0.0]))
    assert errors.tolist() == [0.0, 4.0, torch.inf]  # pixels of the grid: two cells are four


def test_pictures_say_the_place_to_a_fraction_of_a_pixel(network: VGGT):
    features = shifted_maps()
    shift = FEATURE_STRIDE * torch.tensor(SHIFT) + torch.tensor(
        [0.7, -0.4]
    )  # pixels; the maps say whole cells
    noise = torch.rand(1, 3, 30, 30, generator=torch.Generator().manual_seed(1))
    wide = F.interpolate(noise, size=(90, 90), mode="bicubic", align_corners=True)
    y, x = torch.meshgrid(torch.arange(2.0 * ROWS), torch.arange(2.0 * COLUMNS), indexing="ij")
    at = torch.stack([x, y], -1)[None] + 20
    views = [
        F.grid_sample(wide, at_view / 44.5 - 1, align_corners=True) for at_view in (at, at - shift)
    ]
    sharp = replace(features, images=torch.cat(views))
    pixels = centers(features, [(5, 6), (12, 10), (8, 15)])
    true = pixels + shift * 3
    coarse = MatchingTracker(network, features).track(0, pixels, [1])
    fine = MatchingTracker(network, sharp).track(0, pixels, [1])
    assert (coarse.positions[0] - true).norm(dim=-1).min() > 1.5
    assert (fine.positions[0] - true).norm(dim=-1).max() < 0.2
    assert (fine.visibility > 0.95).all()


def test_larger_cells_decide_between_places_that_look_alike(network: VGGT):
    features = shifted_maps()
    twice = features.maps.clone()
    twice[1, :, :, 12:] = twice[1, :, :, :12]  # what is on the left is on the right as well
    right = torch.arange(COLUMNS // 4) >= 3
    of_side = F.one_hot(right.long(), 2).float().expand(ROWS // 4, -1, -1).flatten(0, 1)
    described = Descriptors(
        of_side.expand(1, 2, -1, -1),
        (ROWS // 4, COLUMNS // 4),
        torch.tensor(20.0),
        torch.tensor(10.0),
    )
    pixels = centers(features, [(2, 8), (4, 12), (5, 15)])
    tracker = MatchingTracker(network, replace(features, maps=twice, described=described))
    tracked = tracker.track(0, pixels, [1])
    assert (tracked.positions[0] - pixels - torch.tensor(SHIFT) * 6).abs().max() < 0.3
    elsewhere = described._replace(descriptors=torch.stack([of_side, of_side.flip(-1)])[None])
    other = MatchingTracker(network, replace(features, maps=twice, described=elsewhere))
    assert (other.track(0, pixels, [1]).positions[0, :, 0] > 12 * 6).all()


def test_a_look_brings_what_matching_needs():
    network = glance3d.load_model("glance-small")
    batch = as_batch(torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0)))
    _, features = predict_with_features(network, batch)
    assert torch.equal(features.images, batch.images)
    assert features.described.grid == (8, 12)
    assert features.described.descriptors.shape[:3] == (1, 2, 96)
    alone = predict_with_features(network, batch.of_views([0]))[1]
    assert alone.described is None


def test_a_network_that_matches_follows_so_by_itself():
    network = glance3d.load_model("glance-small")
    batch = as_batch(torch.rand(3, 3, 64, 96, generator=torch.Generator().manual_seed(0)))
    queries = torch.tensor([[20.0, 30.0], [70.5, 12.25], [0.0, 0.0]])
    with torch.inference_mode():
        predictions = network(batch.images, queries, outputs=("tracks",))
    tracker = MatchingTracker(network, predict_with_features(network, batch)[1])
    tracked = tracker.track(0, queries + 0.5, [1, 2])
    torch.testing.assert_close(
        predictions.tracks[0, 1:] + 0.5, tracked.positions, rtol=0, atol=0.01
    )
    torch.testing.assert_close(predictions.visibility[0, 1:], tracked.visibility, rtol=0, atol=0.01)
    torch.testing.assert_close(predictions.track_conf[0, 1:], tracked.confidence, rtol=0, atol=0.01)
    assert torch.equal(predictions.tracks[0, 0], queries)
    with torch.inference_mode():
        alone = network(batch.images[:1], queries, outputs=("tracks",))
    assert torch.equal(alone.tracks[0, 0], queries)
