"""Verdicts: each rule by the evidence that calls for it."""

from dataclasses import replace

import pytest
import torch

from glance3d.trust.evidence import ViewEvidence
from glance3d.trust.rules import judge
from glance3d.types import PhotoMetadata, Reconstruction, ViewTrust
from tests.refinement.rendered import Room, arc, build_scene, turning, with_depth, with_tracks

HELD = ViewEvidence("bundle adjustment", 800, 3, 0.0, 0.0, 9.0, 0.3, matches_others=True)
GUESS = ViewEvidence("similarity", 0, 0)


@pytest.fixture(scope="module")
def scene() -> Reconstruction:
    return with_tracks(build_scene([Room()] * 4, arc(4)))


def verdict(scene: Reconstruction, **changes: object) -> ViewTrust:
    """The last view's, with its evidence changed and the others' plain."""
    evidence = [HELD] * (scene.num_views - 1) + [replace(HELD, **changes)]  # type: ignore[arg-type]
    return judge(scene, evidence)[-1]


def guessed(scene: Reconstruction, **changes: object) -> ViewTrust:
    evidence = [HELD] * (scene.num_views - 1) + [replace(GUESS, **changes)]  # type: ignore[arg-type]
    return judge(without_tracks_of_last(scene), evidence)[-1]


def without_tracks_of_last(scene: Reconstruction, kept: int = 0) -> Reconstruction:
    sparse = scene.sparse
    assert sparse is not None
    order = torch.cumsum(sparse.view_indices == scene.num_views - 1, 0)
    keep = (sparse.view_indices != scene.num_views - 1) | (order <= kept)
    return replace(
        scene,
        sparse=replace(
            sparse,
            view_indices=sparse.view_indices[keep],
            point_indices=sparse.point_indices[keep],
            pixels_original=sparse.pixels_original[keep],
        ),
    )


def test_tracks_that_fit_cameras_and_depth_make_a_photo_good(scene: Reconstruction) -> None:
    trust = judge(scene, [HELD] * 4)
    assert [view.verdict for view in trust] == ["good"] * 4
    assert all(view.registered_by == "bundle adjustment" for view in trust)
    assert all("shared with 3 photos" in view.reason for view in trust)
    assert all(view.depth_agreement is not None and view.depth_agreement > 0.95 for view in trust)


def test_depth_that_is_off_by_more_than_a_tenth_agrees_with_nothing(scene: Reconstruction) -> None:
    assert scene.depth is not None
    depth = scene.depth.clone()
    depth[3] *= 1.3
    trust = judge(with_depth(scene, depth), [HELD] * 4)
    assert trust[3].depth_agreement < 0.1  # type: ignore[operator]
    assert (trust[3].verdict, trust[0].verdict) == ("weak", "good")
    assert "depth fits only" in trust[3].reason


def test_a_scene_without_depth_is_judged_by_its_cameras(scene: Reconstruction) -> None:
    bare = replace(scene, depth=None, points_world=None)
    trust = judge(bare, [HELD] * 4)
    assert {view.verdict for view in trust} == {"good"}
    assert {view.depth_agreement for view in trust} == {None}


@pytest.mark.parametrize(
    ("changes", "expected", "reason"),
    [
        ({"pure_rotation_share": 1.0, "flat_share": 1.0}, "weak", "no parallax"),
        ({"pure_rotation_share": 0.7}, "good", "tracks"),
        ({"contradicted": True}, "weak", "contradicts what the photos show"),
        ({"contradicted": True, "registered_by": "known"}, "unsupported", "was given contradicts"),
        ({"epipolar_after": 7.0}, "weak", "matches contradict its camera"),
        ({"same_as": 0, "matches_others": True}, "good", "the same picture as view00.png"),
        ({"same_as": 0, "matches_others": False}, "unsupported", "no other photo matches it"),
        ({"registered_by": "known"}, "good", "tracks"),
        ({"registered_by": "component"}, "weak", "another scene, or too little overlap"),
        ({"focal_doubt": "its focal length drifts"}, "weak", "its focal length drifts"),
    ],
)
def test_a_view_that_is_held(
    scene: Reconstruction, changes: dict[str, object], expected: str, reason: str
) -> None:
    view = verdict(scene, **changes)
    assert (view.verdict, reason in view.reason) == (expected, True), view


@pytest.mark.parametrize(
    ("changes", "expected", "reason"),
    [
        ({}, "unsupported", "nothing in common"),
        ({"texture": 0.01}, "unsupported", "hardly any texture"),
        ({"num_matches": 20, "num_pairs": 1}, "unsupported", "only 20 matches"),
        ({"num_matches": 900, "num_pairs": 1, "same_as": 1}, "unsupported", "same picture"),
        ({"num_matches": 90, "num_pairs": 2, "flat_share": 1.0}, "weak", "a plane, or"),
        ({"num_matches": 90, "num_pairs": 2, "epipolar_after": 0.8}, "weak", "agree with it to"),
        ({"num_matches": 90, "num_pairs": 2, "epipolar_after": 30.0}, "unsupported", "contradict"),
    ],
)
def test_a_view_whose_pose_is_a_guess(
    scene: Reconstruction, changes: dict[str, object], expected: str, reason: str
) -> None:
    view = guessed(scene, **changes)
    assert (view.verdict, reason in view.reason) == (expected, True), view
    assert view.num_tracks == 0
    assert view.median_error_px is None


def test_a_panorama_is_never_good(scene: Reconstruction) -> None:
    assert verdict(scene).verdict == "good"
    metadata = (PhotoMetadata(projection="equirectangular"),) * scene.num_views
    judged = verdict(replace(scene, metadata=metadata))
    assert judged.verdict == "weak"
    assert "equirectangular" in judged.reason


@pytest.mark.parametrize(("kept", "expected"), [(5, "unsupported"), (20, "weak")])
def test_few_tracks_do_not_hold_a_camera(scene: Reconstruction, kept: int, expected: str) -> None:
    view = judge(without_tracks_of_last(scene, kept), [HELD] * 4)[-1]
    assert (view.verdict, view.num_tracks) == (expected, kept)
    assert f"{kept}" in view.reason


def test_a_small_part_of_a_scene_may_be_mistaken_together(scene: Reconstruction) -> None:
    sparse = scene.sparse
    assert sparse is not None
    rooms = build_scene([Room()] * 9, [*arc(4), *arc(5)])
    part = judge(replace(rooms, sparse=sparse), [HELD] * 4 + [GUESS] * 5)
    assert part[0].verdict == "weak"
    assert "only 3 of 8 other photos" in part[0].reason


def test_a_known_pose_that_nothing_checks_is_weak(scene: Reconstruction) -> None:
    known = [HELD] * 3 + [replace(HELD, registered_by="known")]
    view = judge(without_tracks_of_last(scene, 3), known)[-1]
    assert (view.verdict, "was given" in view.reason) == ("weak", True)


def test_tracks_that_miss_are_a_large_error() -> None:
    scene = with_tracks(build_scene([Room()] * 3, arc(3)), noise=2.0)
    trust = judge(scene, [HELD] * 3)
    assert {view.verdict for view in trust} == {"weak"}
    assert all("large error" in view.reason for view in trust)


def test_cameras_at_nearly_one_place_have_hardly_any_parallax() -> None:
    scene = with_tracks(build_scene([Room()] * 3, turning(3)))
    trust = judge(scene, [HELD] * 3)
    assert all("hardly any parallax" in view.reason for view in trust)


def test_tracks_in_one_corner_do_not_hold_a_camera() -> None:
    scene = with_tracks(build_scene([Room()] * 4, arc(4)), num_points=4000)
    sparse = scene.sparse
    assert sparse is not None
    corner = (sparse.pixels_original < torch.tensor([100.0, 150.0])).all(-1)
    keep = (sparse.view_indices != 3) | corner
    cut = replace(
        sparse,
        view_indices=sparse.view_indices[keep],
        point_indices=sparse.point_indices[keep],
        pixels_original=sparse.pixels_original[keep],
    )
    trust = judge(replace(scene, sparse=cut), [HELD] * 4)
    assert [view.verdict for view in trust] == ["good", "good", "good", "weak"]
    assert "cover only 12%" in trust[3].reason


def test_a_scene_that_nobody_checked_says_so() -> None:
    scene = build_scene([Room()] * 3, arc(3))
    assert {view.reason for view in judge(scene)} == {"no check was made: refine to know"}


def test_one_photo_alone_is_unsupported() -> None:
    scene = build_scene([Room()], arc(1))
    for evidence in (None, [GUESS]):
        (view,) = judge(scene, evidence)
        assert (view.verdict, "one photo alone" in view.reason) == ("unsupported", True)
