"""Matches by descriptors join SIFT's and hold photos; other scenes and wrong pairs stay out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from glance3d.images import Originals
from glance3d.models import build_model
from glance3d.models.config import glance_small
from glance3d.multiview.view_graph import epipolar_errors
from glance3d.refinement import RefineOptions, refine
from glance3d.refinement.mapping import registration
from glance3d.refinement.mapping.registration import Registration
from glance3d.refinement.matching.learned import learned_matches, view_pairs
from glance3d.refinement.matching.learned.cell_matches import match_cells
from glance3d.refinement.matching.learned.corners import PhotoCorners, find_again, find_corners
from glance3d.refinement.matching.learned.features import features_of_matches
from glance3d.refinement.matching.learned.loops import confirmed_pairs
from glance3d.refinement.matching.learned.pair_matches import PairMatches
from glance3d.refinement.matching.learned.view_descriptors import ViewDescriptors
from glance3d.refinement.matching.learned.view_pairs import alike_pairs
from glance3d.refinement.matching.matched_photos import match_photos
from glance3d.refinement.pycolmap_interface import quiet
from glance3d.types import Placement, Reconstruction
from tests.refinement.rendered import SIZE, Room, arc, build_scene
from tests.refinement.test_refine import lost, worst_error_deg

CELL = 8.0
GRID = (SIZE[1] // 8, SIZE[0] // 8)  # rows, columns
FEW_FEATURES = RefineOptions(max_features=100)


def describe(points: Tensor, grid: tuple[int, int]) -> ViewDescriptors:
    """What a perfect network says: places in space, [views, cells, 3], told apart at a hand."""
    generator = torch.Generator().manual_seed(0)
    waves = 8.0 * torch.randn(3, 48, generator=generator)
    phase = points.float() @ waves
    unit = torch.nn.functional.normalize(torch.cat([phase.sin(), phase.cos()], -1), dim=-1)
    counts = torch.ones(points.shape[:2], dtype=torch.bool)
    placements = (Placement(SIZE, SIZE),) * len(points)
    return ViewDescriptors(unit, counts, grid, 40.0, 30.0, CELL, placements)


def describe_scene(scene: Reconstruction, away: float = 0.0) -> ViewDescriptors:
    """The true places of a scene's cells; views from the third on are of a world ``away``."""
    assert scene.points_world is not None
    fine = scene.points_world.permute(0, 3, 1, 2).float()
    places = torch.nn.functional.interpolate(fine, GRID, mode="bilinear")
    places = places.flatten(2).transpose(1, 2).clone()
    places[3:] += away
    return describe(places, GRID)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Reconstruction:
    return build_scene([Room()] * 5, arc(5), tmp_path_factory.mktemp("photos"))


def use(monkeypatch: pytest.MonkeyPatch, described: ViewDescriptors) -> None:
    monkeypatch.setattr(learned_matches, "describe_views", lambda *_: described)


def test_they_join_those_of_sift(
    truth: Reconstruction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, describe_scene(truth))
    photos = Originals(truth)
    with quiet():
        sift = match_photos(truth, photos, tmp_path, FEW_FEATURES)
        both = learned_matches.add_learned_matches(sift, build_model(glance_small()), photos)
    assert both.sift_graph is sift.view_graph
    counts = [sum(map(len, graph.pairs)) for graph in (sift.view_graph, both.view_graph)]
    assert counts[1] > 2 * counts[0]
    for pair in both.view_graph.pairs:
        assert np.median(epipolar_errors(pair, truth.cameras)) < 1.0


def test_photos_of_another_world_are_not_held_by_them(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rooms with other pictures on their walls, and descriptors that mistake none for another.

    The larger group is held, the other one is not put into the same world.
    """
    rooms = [Room()] * 3 + [Room(seed=7)] * 2
    scene = build_scene(rooms, arc(5), tmp_path_factory.mktemp("rooms"))
    use(monkeypatch, describe_scene(scene, away=50.0))
    photos = Originals(scene)
    with quiet():
        sift = match_photos(scene, photos, tmp_path, FEW_FEATURES)
        both = learned_matches.add_learned_matches(sift, build_model(glance_small()), photos)
    assert all((pair.first < 3) == (pair.second < 3) for pair in both.view_graph.pairs)


def test_what_looks_alike_to_descriptors_alone_is_no_match(
    truth: Reconstruction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network takes each place in the last two views for what is five cells below it.

    That is a geometry of its own, which verification alone would believe.
    """
    described = describe_scene(truth)
    of_grid = described.descriptors[3:].unflatten(1, GRID)
    described.descriptors[3:] = of_grid.roll(5, 1).flatten(1, 2)
    use(monkeypatch, described)
    photos, network = Originals(truth), build_model(glance_small())
    with quiet():
        sift = match_photos(truth, photos, tmp_path, FEW_FEATURES)
        both = learned_matches.add_learned_matches(sift, network, photos)
    of_sift = {(pair.first, pair.second): len(pair) for pair in sift.view_graph.pairs}
    for pair in both.view_graph.pairs:
        if (pair.first < 3) != (pair.second < 3):
            assert len(pair) <= of_sift[pair.first, pair.second]


@pytest.mark.long
def test_refinement_asks_for_them_where_sift_leaves_photos_out(
    truth: Reconstruction, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, describe_scene(truth))
    network, options = build_model(glance_small()), replace(FEW_FEATURES, seed=1)
    scene = replace(lost(truth), model="glance-small")
    # SIFT alone, as if a pair of photos had been all that it held.
    incomplete = property(lambda self: 5 if self.photos.sift_graph else 2)
    monkeypatch.setattr(Registration, "num_supported", incomplete)
    monkeypatch.setattr(registration, "_is_improved", lambda further, earlier: True)
    refined = refine(scene, network=network, options=options, densify=False)
    assert worst_error_deg(refined.cameras, truth) < 3.0
    assert refined.report.refinement is not None
    assert {attempt["matches"] for attempt in refined.report.refinement.attempts} >= {"learned"}
    assert refined.report.refinement.refined_tracks is not None
    tracks = refined.report.refinement.refined_tracks[0]
    assert tracks["num_moved"] > 0.4 * tracks["num_observations"]
    assert tracks["error_after_px"] < tracks["error_before_px"]


def test_one_photo_alone_is_matched_with_nothing(tmp_path: Path) -> None:
    """A network describes no single view."""
    scene = replace(build_scene([Room()], arc(1), tmp_path), model="glance-small")
    refined = refine(scene, network=build_model(glance_small()), densify=False)
    assert refined.trust is not None
    assert [view.verdict for view in refined.trust] == ["unsupported"]


def test_pairs_are_the_most_alike_and_neighbours() -> None:
    generator = torch.Generator().manual_seed(1)
    places = 4 * torch.rand(2, 24, 3, generator=generator)
    # Views 0, 2, 4, 6 are of one place and 1, 3, 5, 7 of another.
    described = describe(places[[0, 1] * 4], (4, 6))
    neighbours = [(view, view + 1) for view in range(7)]
    pairs = set(alike_pairs(described, neighbours=neighbours, per_view=3))
    assert {(view, view + 1) for view in range(7)} <= pairs
    assert {(view, view + 2) for view in range(6)} <= pairs
    # Of the others at most the one that connects the two places best.
    assert sum((second - first) % 2 == 1 and second - first > 2 for first, second in pairs) <= 1


def test_of_many_only_those_that_look_alike_as_whole_photos_are_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(view_pairs, "MOST_CANDIDATES", 2)
    described = describe(4 * torch.rand(1, 24, 3).expand(8, -1, -1), (4, 6))
    whole = -(torch.arange(8.0)[:, None] - torch.arange(8.0)).abs()
    steps = {second - first for first, second in alike_pairs(described, whole, per_view=1)}
    assert steps <= {1, 2}


def test_cells_find_each_other_unless_they_do_not_count() -> None:
    generator = torch.Generator().manual_seed(1)
    places = 9 * torch.rand(24, 3, generator=generator)
    order = torch.randperm(24, generator=generator)
    described = describe(torch.stack([places, places[order]]), (4, 6))
    described.counts[0, 3] = False
    matches = match_cells(described, 0, 1, 0.1, 400)
    assert set(matches.first.tolist()) == set(range(24)) - {3}
    assert order[matches.second].tolist() == matches.first.tolist()


def test_a_corner_is_found_again_to_a_tenth_of_a_pixel() -> None:
    generator = torch.Generator().manual_seed(2)
    noise = torch.rand(1, 1, 90, 120, generator=generator)
    smooth = torch.nn.functional.avg_pool2d(noise, 7, 1, 3)
    size = SIZE[1] + 10, SIZE[0] + 10
    large = torch.nn.functional.interpolate(smooth, size, mode="bicubic")[0, 0]
    large = ((large - large.min()) / (large.max() - large.min()) * 255).round()
    photos = [
        large[dy : dy + SIZE[1], dx : dx + SIZE[0], None].expand(-1, -1, 3).byte().numpy()
        for dx, dy in ((0, 0), (3, 2))
    ]
    described = describe(torch.zeros(2, GRID[0] * GRID[1], 3), GRID)
    first, second = (find_corners(photo, described, 0, 1600) for photo in photos)
    assert isinstance(first, PhotoCorners)
    inner = ((first.pixels > 20) & (first.pixels < torch.tensor(SIZE) - 20)).all(-1)
    pixels = first.pixels[inner]
    about = pixels + torch.tensor([-2.0, -3.0])  # where it is, and a pixel beside
    again, alike = find_again(first, second, pixels, about, CELL)
    assert alike.float().mean() > 0.9
    error = (again - pixels - torch.tensor([-3.0, -2.0]))[alike].norm(dim=-1)
    assert error.median() < 0.1


def test_ends_in_one_square_are_one_feature_and_matches_one_to_one() -> None:
    ends = np.array([[1.0, 1.0], [2.0, 2.0], [9.0, 9.0]])
    pair = PairMatches(0, 1, ends, ends + 20)
    features, rows = features_of_matches([pair], 2, [4.0, 1.0])
    np.testing.assert_allclose(features[0], [[1.5, 1.5], [9.0, 9.0]])
    assert len(features[1]) == 3
    assert rows[0, 1].tolist() == [[0, 0], [1, 2]]


def test_loops_confirm_a_pair_or_refute_it() -> None:
    count = 50
    places = 10.0 * np.arange(count)[:, None].repeat(2, 1)
    straight = np.arange(count)[:, None].repeat(2, 1)
    shifted = np.stack([np.arange(count), np.roll(np.arange(count), 7)], 1)
    features, tolerances = [places] * 4, [5.0] * 4
    consistent = {(0, 1): straight, (1, 2): straight, (0, 2): straight}
    assert confirmed_pairs(features, consistent, tolerances) == set(consistent)
    # One of the three pairs is wrong, and all of them are in doubt.
    assert confirmed_pairs(features, consistent | {(0, 2): shifted}, tolerances) == set()
    # Without a third view 50 matches are too few.
    assert confirmed_pairs(features, {(0, 3): straight}, tolerances) == set()
