"""What pictures and matches say before anybody judges: sameness, texture, turns."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from glance3d.geometry.cameras import project_points
from glance3d.multiview.pure_rotation import is_pure_rotation
from glance3d.multiview.view_graph import VerifiedPair, ViewGraph
from glance3d.trust.duplicate_photos import find_duplicates, texture_shares, to_grey
from glance3d.trust.evidence import gather_evidence
from glance3d.types import Cameras, Reconstruction
from tests.refinement.rendered import SIZE, Room, arc, build_scene, photograph, pose, turning

WALL = Room(boxes=(((0.0, 0.0, 3.0), (4.5, 3.0, 0.1)),))


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return photograph(Room(), arc(3)[1])


def stacked(*photos: Image.Image) -> Tensor:
    return to_grey(torch.stack([torch.from_numpy(np.array(p)) for p in photos]))


def recompressed(photo: Image.Image) -> Image.Image:
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=80)
    return Image.open(file).convert("RGB")


def test_a_picture_is_itself_again_after_recompression_and_brightening(photo: Image.Image) -> None:
    other = photograph(Room(), arc(3)[2])
    brighter = photo.point(lambda value: min(255, value + 4))
    grey = stacked(other, photo, recompressed(photo), brighter)
    assert find_duplicates(grey) == [0, 1, 1, 1]


@pytest.mark.parametrize("shift", [1, 2, 5])
def test_a_camera_that_moved_makes_another_picture(photo: Image.Image, shift: int) -> None:
    pixels = np.array(photo)
    moved = Image.fromarray(np.roll(pixels, shift, 1))
    assert find_duplicates(stacked(photo, moved)) == [0, 1]


def test_an_object_on_black_that_turned_is_another_picture() -> None:
    small = [
        np.pad(
            np.array(photograph(Room(), where))[100:200, 130:270], ((100, 100), (130, 130), (0, 0))
        )
        for where in arc(2, width=0.3)
    ]
    grey = stacked(*map(Image.fromarray, small), recompressed(Image.fromarray(small[1])))
    assert find_duplicates(grey) == [0, 1, 1]


def test_plain_walls_are_like_nothing_and_have_no_texture(photo: Image.Image) -> None:
    wall = photograph(Room(plain=True), arc(3)[1])
    random = np.random.default_rng(0)
    grainy = np.array(wall) + random.normal(0, 4, np.array(wall).shape)
    noisy = Image.fromarray(grainy.clip(0, 255).astype(np.uint8))
    grey = stacked(photo, wall, noisy)
    share = texture_shares(grey)
    assert share[0] > 0.9
    assert max(share[1:]) < 0.05
    assert find_duplicates(grey) == [0, 1, 2]


def pair_of(scene: Reconstruction, noise: float, first: int = 0, second: int = 1) -> VerifiedPair:
    """Matches at points that both views have in their picture."""
    assert scene.points_world is not None
    points = scene.points_world[first].reshape(-1, 3)[::7].double()
    random = np.random.default_rng(0)
    seen = []
    for view in (first, second):
        pixels, _ = project_points(
            points,
            scene.cameras.cam_from_world[view].double(),
            scene.cameras.intrinsics[view].double(),
        )
        seen.append(pixels.numpy() + noise * random.normal(size=(len(points), 2)))
    inside = np.all([((p > 0) & (p < SIZE)).all(1) for p in seen], 0)
    return VerifiedPair(first, second, seen[0][inside], seen[1][inside], True)


def zoomed(cameras: Cameras, factor: float) -> Cameras:
    intrinsics = cameras.intrinsics.clone()
    intrinsics[:, [0, 1], [0, 1]] *= factor
    return replace(cameras, intrinsics=intrinsics)


@pytest.mark.parametrize("focal", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("noise", [0.05, 0.5])
def test_a_turn_is_known_whatever_the_focal_length_is_thought_to_be(
    focal: float, noise: float
) -> None:
    scene = build_scene([Room()] * 2, turning(2, 0.2))
    assert is_pure_rotation(pair_of(scene, noise), zoomed(scene.cameras, focal))


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_a_wall_that_is_passed_by_is_no_turn(noise: float) -> None:
    along = [pose((x, 0.2, -2.5), (x, 0.2, 3.0)) for x in (-0.45, 0.45)]
    around = [pose((x, 0.2, -2.5), (0.5 * x, 0.0, 3.0)) for x in (-0.6, 0.6)]
    for poses in (along, around):
        scene = build_scene([WALL] * 2, poses)
        assert not is_pure_rotation(pair_of(scene, noise), scene.cameras)


def test_evidence_is_counted_for_each_view() -> None:
    poses = [*turning(2, 0.2), arc(3)[2], arc(3)[0]]
    scene = build_scene([Room()] * 4, poses)
    turn = pair_of(scene, 0.2, 0, 1)
    walk = replace(pair_of(scene, 0.2, 1, 2), flat=False)
    graph = ViewGraph(4, (turn, walk))
    found = gather_evidence(scene, graph, ["bundle adjustment"] * 3 + ["similarity"])
    assert [view.num_pairs for view in found] == [1, 2, 1, 0]
    assert found[1].num_matches == len(turn) + len(walk)
    assert [view.pure_rotation_share for view in found] == [1.0, 0.5, 0.0, 0.0]
    assert found[2].epipolar_after == pytest.approx(0.2, abs=0.1)
    assert (found[3].epipolar_after, found[3].registered_by) == (None, "similarity")
    assert {view.epipolar_before for view in found} == {None}


def test_evidence_holds_both_cameras_and_given_poses_against_the_matches() -> None:
    scene = build_scene([Room()] * 2, arc(2, width=1.0))
    graph = ViewGraph(2, (replace(pair_of(scene, 0.2), flat=False),))
    poses = scene.cameras.cam_from_world.clone()
    poses[1, 1, 3] += 0.3
    wrong = replace(scene.cameras, cam_from_world=poses)
    found = gather_evidence(scene, graph, ["known"] * 2, before=wrong, contradicted=[1])
    assert found[0].epipolar_before > 3 > 1 > found[0].epipolar_after  # type: ignore[operator]
    assert [view.contradicted for view in found] == [False, True]
