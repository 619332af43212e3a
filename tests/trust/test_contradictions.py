"""Doubled surfaces and twins are named where they are, and only there."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from glance3d.geometry.cameras import project_points
from glance3d.multiview.view_graph import VerifiedPair, ViewGraph
from glance3d.trust.contradictions import find_contradictions
from glance3d.types import Reconstruction, SparsePoints, ViewTrust
from tests.refinement.rendered import BOXES, Room, arc, build_scene, with_cameras, with_depth

GOOD = ViewTrust("bundle adjustment", 500, 0.3, 0.9, 1.0, "good", "")
NAMES = tuple(f"view{i:02d}.png" for i in range(8))
FIRST, SECOND = NAMES[:4], NAMES[4:]


@pytest.fixture(scope="module")
def scene() -> Reconstruction:
    return build_scene([Room()] * 8, arc(8))


def noisy(scene: Reconstruction, fine: float, coarse: float) -> Reconstruction:
    """Depth with errors from pixel to pixel, and bent as a network bends it."""
    generator = torch.Generator().manual_seed(0)
    assert scene.depth is not None
    shape = scene.depth.shape
    bend = torch.nn.functional.interpolate(
        coarse * torch.randn(shape[0], 1, 5, 6, generator=generator), shape[1:], mode="bicubic"
    )[:, 0]
    errors = fine * torch.randn(shape, generator=generator) + bend
    return with_depth(scene, scene.depth * errors.exp())


def test_a_consistent_scene_has_none(scene: Reconstruction) -> None:
    assert find_contradictions(scene) == []


@pytest.mark.parametrize(("fine", "coarse"), [(0.05, 0.05), (0.1, 0.1), (0.02, 0.3)])
def test_depth_that_is_only_noisy_has_none(
    scene: Reconstruction, fine: float, coarse: float
) -> None:
    assert find_contradictions(noisy(scene, fine, coarse)) == []


@pytest.mark.parametrize("factor", [1.08, 1.3])
@pytest.mark.parametrize("noise", [0.0, 0.04])
def test_half_of_the_views_with_another_scale_double_their_surfaces(
    scene: Reconstruction, factor: float, noise: float
) -> None:
    assert scene.depth is not None
    depth = scene.depth.clone()
    depth[4:] *= factor
    (finding,) = find_contradictions(noisy(with_depth(scene, depth), noise, 0.0))
    assert finding.kind == "double surface"
    assert finding.groups == (FIRST, SECOND)
    assert finding.views == NAMES
    assert "there twice" in finding.reason


def test_half_of_the_cameras_standing_farther_back_double_their_surfaces(
    scene: Reconstruction,
) -> None:
    poses = scene.cameras.cam_from_world.clone()
    poses[4:, 2, 3] += 0.8
    (finding,) = find_contradictions(with_cameras(scene, poses))
    assert (finding.kind, finding.groups) == ("double surface", (FIRST, SECOND))


def test_parts_that_nothing_connects_do_not_contradict_each_other(scene: Reconstruction) -> None:
    """Each is placed among the others by a guess, and may be another scene."""
    assert scene.depth is not None
    doubled = with_depth(scene, scene.depth * torch.tensor([1.0] * 4 + [1.2] * 4)[:, None, None])
    apart = [replace(GOOD, registered_by="component", verdict="weak")] * 4
    assert find_contradictions(doubled, trust=(*[GOOD] * 4, *apart)) == []
    assert find_contradictions(doubled, trust=(*[GOOD] * 8,)) != []


def test_views_of_one_part_contradict_each_other(scene: Reconstruction) -> None:
    assert scene.depth is not None
    factors = torch.tensor([1.0] * 4 + [1.2] * 2 + [1.0] * 2)
    doubled = with_depth(scene, scene.depth * factors[:, None, None])
    apart = [replace(GOOD, registered_by="component", verdict="weak")] * 4
    views = torch.arange(8)
    part = SparsePoints(
        torch.zeros(2, 3),
        torch.zeros(2, 3, dtype=torch.uint8),
        views,
        torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]),
        torch.zeros(8, 2),
    )
    (finding,) = find_contradictions(replace(doubled, sparse=part), trust=(*[GOOD] * 4, *apart))
    assert finding.groups == (NAMES[4:6], NAMES[6:])


def test_one_view_with_another_scale_is_named_against_the_rest(scene: Reconstruction) -> None:
    assert scene.depth is not None
    depth = scene.depth.clone()
    depth[2] *= 0.85
    (finding,) = find_contradictions(with_depth(scene, depth))
    assert finding.groups[-1] == ("view02.png",)


def test_depth_where_it_was_measured_alone_is_asked(scene: Reconstruction) -> None:
    assert scene.depth is not None
    depth = scene.depth.clone()
    depth[4:] *= 1.2
    measured = torch.ones_like(scene.mask)
    measured[4:] = False
    doubled = with_depth(scene, depth)
    assert find_contradictions(doubled)
    assert find_contradictions(replace(doubled, measured=measured)) == []


def test_what_an_unsupported_view_sees_contradicts_nobody(scene: Reconstruction) -> None:
    assert scene.depth is not None
    depth = scene.depth.clone()
    depth[2] *= 1.3
    doubled = with_depth(scene, depth)
    unsupported = replace(GOOD, verdict="unsupported")
    trust = tuple(unsupported if view == 2 else GOOD for view in range(8))
    (finding,) = find_contradictions(replace(doubled, trust=(GOOD,) * 8))
    assert "their depth is off" in finding.reason
    assert find_contradictions(replace(doubled, trust=trust)) == []


def test_many_groups_are_told_by_the_largest(scene: Reconstruction) -> None:
    assert scene.depth is not None
    depth = scene.depth.clone()
    for factor, views in ((1.12, [4, 5]), (0.88, [6]), (1.28, [7])):
        depth[views] *= factor
    (finding,) = find_contradictions(with_depth(scene, depth))
    assert len(finding.groups) == 4
    assert finding.reason.startswith("4 groups of photos, as view00.png, ")


def test_two_rooms_taken_for_one_are_possible_twins() -> None:
    other = Room(boxes=(((1.6, 0.8, 2.0), (0.9, 1.2, 0.6)), ((-1.2, -0.6, 1.4), (0.8, 0.8, 0.7))))
    (finding,) = find_contradictions(build_scene([Room()] * 4 + [other] * 4, arc(8)))
    assert (finding.kind, finding.groups) == ("possible twins", (FIRST, SECOND))


def test_a_thing_that_only_one_side_sees_is_no_twin() -> None:
    """What one camera cannot see, because it is hidden there, contradicts nobody."""
    crowded = Room(boxes=(*BOXES, ((0.0, 1.5, -1.0), (0.5, 1.5, 0.2))))
    assert find_contradictions(build_scene([crowded] * 8, arc(8, width=4.0))) == []


def test_scenes_without_depth_or_with_one_view_have_none(scene: Reconstruction) -> None:
    assert find_contradictions(replace(scene, depth=None, points_world=None)) == []
    assert find_contradictions(build_scene([Room()], arc(1))) == []


def matches(scene: Reconstruction, first: int, second: int, wrong: bool) -> VerifiedPair:
    """60 true matches, or such as an alike-looking part elsewhere would give."""
    generator = torch.Generator().manual_seed(first * 10 + second)
    assert scene.points_world is not None
    pool = scene.points_world[first].reshape(-1, 3)
    points = pool[torch.randperm(len(pool), generator=generator)[:60]].double()
    elsewhere = torch.tensor([0.0, 0.9 if wrong else 0.0, 0.0]).double()
    seen = [
        project_points(
            points + shift,
            scene.cameras.cam_from_world[view].double(),
            scene.cameras.intrinsics[view].double(),
        )[0].numpy()
        for view, shift in ((first, 0 * elsewhere), (second, elsewhere))
    ]
    return VerifiedPair(first, second, seen[0], seen[1], False)


def test_matches_that_cameras_rule_out_are_possible_twins(scene: Reconstruction) -> None:
    trust = (GOOD,) * 8
    true = [matches(scene, i, i + 1, wrong=False) for i in range(7)]
    assert find_contradictions(scene, ViewGraph(8, tuple(true)), trust) == []
    wrong = [matches(scene, 0, 6, wrong=True), matches(scene, 1, 6, wrong=True)]
    graph = ViewGraph(8, (*true, *wrong))
    (finding,) = find_contradictions(scene, graph, trust)
    assert finding.kind == "possible twins"
    assert finding.groups == (("view00.png", "view01.png"), ("view06.png",))
    assert "120 points" in finding.reason


def test_a_camera_that_nothing_holds_rules_nothing_out(scene: Reconstruction) -> None:
    graph = ViewGraph(8, (matches(scene, 0, 6, True), matches(scene, 1, 6, True)))
    trust = (*(GOOD,) * 6, replace(GOOD, verdict="weak"), GOOD)
    assert find_contradictions(scene, graph, trust) == []


def test_cameras_at_one_place_rule_nothing_out() -> None:
    poses = arc(3)
    scene = build_scene([Room()] * 3, [poses[0], poses[0], poses[2]])
    pair = matches(scene, 0, 1, wrong=False)
    random = np.random.default_rng(0)
    shaken = replace(pair, pixels_second=pair.pixels_second + 0.3 * random.normal(size=(60, 2)))
    assert find_contradictions(scene, ViewGraph(3, (shaken,)), (GOOD,) * 3) == []
